import { LANE_KEPT_MS, PLACE_LIBRARY } from './placeLibrary.ts';

/**
 * How places are taken and given back, as scripts that Redis runs: they see, and change, what all
 * processes have taken. Every place has a date at which it ends by itself, which is how those of a
 * process that died come back. Keys, ARGV[1] and the functions are those of placeLibrary.ts;
 * ARGV[2] is what is asked, as JSON.
 */

/**
 * Asks for places: `deliveries`, `heldMs`, whether they are about to be posted (`isStarting`).
 * Returns for each delivery two numbers: 0 when it has a place now, else after how many ms to ask
 * again; and for how many ms its endpoint has been failing. A place that the delivery has is its
 * own when the same job asks: its publisher does not know what became of it. When another asks,
 * that one is there.
 */
export const TAKE_PLACES = `${PLACE_LIBRARY}
local asked = cjson.decode(ARGV[2])
local heldUntil = now + asked.heldMs
local answers, lines = {}, {}
for _, one in ipairs(asked.deliveries) do
  local store, endpoint, delivery = one.storeId, one.endpointId, one.deliveryId
  local name, job, laneKey = nameOf(store, endpoint, delivery), key('job', delivery), key('lane', endpoint)
  local lane = readLane(endpoint)
  local held = redis.call('ZSCORE', base, name)
  if held and not asked.isStarting and (not one.jobId or redis.call('HGET', job, 'job') ~= one.jobId) then
    answers[#answers + 1] = math.max(1, tonumber(held) - now)
  elseif held then
    for _, set in ipairs({ base, key('slow') }) do redis.call('ZADD', set, 'XX', heldUntil, name) end
    redis.call('ZADD', key('endpoint', endpoint), 'XX', heldUntil, delivery)
    if asked.isStarting then
      redis.call('ZADD', key('new'), 'XX', now + rules.slowMs, name)
      if redis.call('EXISTS', job) == 1 then redis.call('HSET', job, 'begun', 1) end
    end
    redis.call('PEXPIREAT', job, heldUntil)
    answers[#answers + 1] = 0
  else
    local kept = drop(nameOf(store, endpoint, '*'))
    local hasNoRoom = isFull(endpoint, lane)
    if not hasNoRoom and (kept == lane.kind or mayTake(lane.kind, store, 0)) then
      add(store, endpoint, delivery, lane.kind, heldUntil, now + rules.slowMs)
      -- Whoever takes it when it is about to post has lost the one that it had: no publisher asks for that one again.
      if not asked.isStarting and one.jobId then
        redis.call('HSET', job, 'job', one.jobId, 'place', name)
        redis.call('PEXPIREAT', job, heldUntil)
      end
      -- More of its deliveries may wait.
      if isFull(endpoint, lane) then leave(store, endpoint) elseif kept then enter(store, endpoint, lane.kind) end
      answers[#answers + 1] = 0
    else
      -- Many of its deliveries may ask in one go.
      if lines[endpoint] ~= hasNoRoom then
        lines[endpoint] = hasNoRoom
        if hasNoRoom then leave(store, endpoint) else enter(store, endpoint, lane.kind) end
      end
      redis.call('HINCRBY', key('refusals'), hasNoRoom and 'endpoint' or 'share', 1)
      local longest = lane.failing > 0 and rules.longestFailingDelayMs or rules.longestDelayMs
      local shortest = hasNoRoom and rules.shortestDelayMs or rules.shortestShareDelayMs
      local step = math.max(shortest, lane.latency / lane.width, lane.pause)
      -- After a fail-over the clock may be another machine's.
      local lastTurn = math.min(lane.turn, now + longest)
      local turn = math.max(math.max(lastTurn, now) + step, lane.closed)
      local delay = (turn - now) * (1 + 0.25 * one.random)
      if turn - now > longest then
        turn = now + longest
        delay = longest * (0.5 + 0.5 * one.random)
      end
      redis.call('HSET', laneKey, 'turn', string.format('%.0f', turn))
      redis.call('HINCRBY', laneKey, 'refused', 1)
      redis.call('PEXPIRE', laneKey, ${LANE_KEPT_MS})
      answers[#answers + 1] = math.max(1, math.floor(delay))
    end
  end
  answers[#answers + 1] = lane.failing
end
return answers`;

/**
 * Gives the place of a delivery back: `storeId`, `endpointId`, `deliveryId`, what the POST came to
 * (`result`, `none`: there was none), `latencyMs`, for how long the endpoint asked to be left alone
 * (`askedMs`). With `jobId` instead of store and endpoint: if it is for that job, and that has not
 * begun. Returns store and endpoint; how many further deliveries of the endpoint may be brought
 * forward, after how many ms, how many were put off so far, and those that have a place; and who
 * was woken. What waits is not taken as told before it was: when the answer is lost, the next place
 * that is given back tells again.
 */
export const GIVE_BACK_PLACE = `${PLACE_LIBRARY}
local given = cjson.decode(ARGV[2])
local store, endpoint, delivery, result = given.storeId, given.endpointId, given.deliveryId, given.result
if given.jobId then
  local known = redis.call('HMGET', key('job', delivery), 'job', 'place', 'begun')
  if known[1] ~= given.jobId or known[3] then return { '', '', 0, 0, 0, {}, {} } end
  store, endpoint = split(known[2])
end
local hadPlace = drop(nameOf(store, endpoint, delivery))
if result == 'none' and not hadPlace then return { store, endpoint, 0, 0, 0, {}, {} } end

local latency = given.latencyMs
if result ~= 'none' then
  local laneKey = key('lane', endpoint)
  local isSlow = latency > rules.slowMs
  local known = redis.call('HMGET', laneKey, 'width', 'turn', 'silences', 'silent')
  local closed = readLane(endpoint).closed
  local width, silences, silent, pause = tonumber(known[1] or 1), 0, 0, 0
  if result == 'success' then
    width = math.min(width + 1, isSlow and rules.placesOfSlowEndpoint or rules.placesOfEndpoint)
    redis.call('HSET', laneKey, 'turn', string.format('%.0f', math.min(tonumber(known[2] or 0), now)))
    closed = 0
  elseif result == 'failure' then
    width = math.max(1, math.floor(width / 2))
  elseif result == 'overload' then
    width = 1
  else
    width = isSlow and 1 or math.max(1, math.floor(width / 2))
    silences, silent = tonumber(known[3] or 0), tonumber(known[4] or 0)
    -- What was on its way when the last one was noticed is the same silence.
    if now - latency >= silent then silences, silent = silences + 1, now end
    local beyond = silences - rules.silences
    if beyond >= 0 then pause = math.min(rules.shortestPauseMs * 2 ^ math.min(beyond, 30), rules.longestPauseMs) end
  end
  closed = math.max(closed, now + math.max(pause, given.askedMs))
  redis.call('HSET', laneKey, 'kind', isSlow and 'slow' or 'quick', 'width', width, 'latency', latency,
    'closed', string.format('%.0f', closed), 'silences', silences, 'silent', string.format('%.0f', silent), 'pause', pause)
  if result == 'success' then redis.call('HDEL', laneKey, 'failing')
  else redis.call('HSETNX', laneKey, 'failing', string.format('%.0f', now - latency)) end
  redis.call('PEXPIRE', laneKey, ${LANE_KEPT_MS})
end

local lane = readLane(endpoint)
if leave(store, endpoint, lane.kind) then enter(store, endpoint, lane.kind) end
-- Others that wait come before the endpoint's own next ones: it has just had its turn.
local woken = wake()
local count, delay, having = 0, 0, {}
if lane.mayWait then
  having = listHaving(endpoint)
  local free = lane.width - redis.call('ZCARD', key('endpoint', endpoint))
  if free > 0 and (result == 'silence' or lane.closed > now) then
    -- Those that wait have turns that are far away: one of them asks when it may.
    count, delay = 1, math.max(1, latency, lane.closed - now)
  elseif free > 0 then
    while count < free and mayTake(lane.kind, store, count) do count = count + 1 end
    if count < free then enter(store, endpoint, lane.kind) end
  end
end
return { store, endpoint, count, delay, lane.refused, having, woken }`;

/**
 * None of the deliveries of an endpoint waits: `storeId`, `endpointId`, and how many had been put
 * off when the database was asked (`refused`): one that was put off since then waits. What is kept
 * for it is given to others. Returns who was woken.
 */
export const NOTE_NONE_WAITING = `${PLACE_LIBRARY}
local told = cjson.decode(ARGV[2])
local lane = readLane(told.endpointId)
local kept = drop(nameOf(told.storeId, told.endpointId, '*'))
if lane.refused == told.refused then
  leave(told.storeId, told.endpointId)
  local laneKey = key('lane', told.endpointId)
  if redis.call('EXISTS', laneKey) == 1 then redis.call('HSET', laneKey, 'seen', lane.refused) end
elseif kept then
  enter(told.storeId, told.endpointId, lane.kind)
end
return wake()`;

/**
 * A process works on deliveries: `processId`, for how long it counts (`countsMs`). Returns who was
 * woken.
 */
export const ANNOUNCE_PROCESS = `${PLACE_LIBRARY}
local announced = cjson.decode(ARGV[2])
redis.call('ZADD', key('processes'), now + announced.countsMs, announced.processId)
total = rules.placesOfProcess * redis.call('ZCARD', key('processes'))
return wake()`;

/**
 * Returns the names of all places; how many are new and slow; processes; how often there was no
 * place, by the endpoint and by share; how many stores wait, by kind.
 */
export const REPORT_PLACES = `${PLACE_LIBRARY}
return {
  redis.call('ZRANGE', base, 0, -1),
  countAll('new'),
  countAll('slow'),
  redis.call('ZCARD', key('processes')),
  redis.call('HMGET', key('refusals'), 'endpoint', 'share'),
  redis.call('ZCARD', key('line', 'new')),
  redis.call('ZCARD', key('line', 'slow')),
  redis.call('ZCARD', key('line', 'quick'))
}`;
