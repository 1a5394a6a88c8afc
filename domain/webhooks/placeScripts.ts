/**
 * How places are taken and given back, as scripts that Redis runs: they see, and change, what all processes have taken. Every place has a date at which it is
 * given back by itself, which is how those of a process that died come back. Times are Redis's own, in ms.
 *
 * A lane (what is known of an endpoint) is a hash:
 *
 *   kind     `quick` or `slow`, by its last POST; absent: it is `new`
 *   width    places that it may have at once
 *   latency  of its last POST
 *   turn     the last turn that was given away
 *   closed   it is left alone until then
 *   silences times in a row that it did not answer, `silent` the last of these; `pause` how long it is left alone for that
 *   failing  since when it has answered nothing with 2xx; absent: it has, or nothing is known
 *   refused  how many deliveries were put off; `seen` how many of these were when the database was found to have none left: more may wait unless they are equal
 */

/** Forgotten that long after the last use. */
const LANE_KEPT_MS = 24 * 3_600 * 1_000;
/** Longer than any place is held. */
const PLACES_KEPT_MS = 3_600 * 1_000;

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/**
 * KEYS: all places, those of new endpoints, those of slow ones, the processes, what was refused; then for each delivery the places of its store, those of them
 * that new and slow endpoints have, those of its endpoint, the endpoint's lane, and the job that its place is for. ARGV: places of a process, of an endpoint at most, how long a place is
 * held, whether the deliveries are about to be posted, the shortest delay, the shortest of what waits for others, the longest, the longest of an endpoint that
 * fails; then for each delivery its id,
 * its place's name, the job that is to be put on the queue, and a random number. Returns for each delivery two numbers: 0 when it has a place now, else after how many ms
 * to ask again; and for how many ms its endpoint has been failing. A place that the delivery has is its own when the same job asks: its publisher does not know what became of it. When another asks, that one is there.
 *
 * Slow endpoints have at most half of all places, new and slow ones three quarters. A store has at most a quarter of all places, and takes a further one only
 * while it has fewer than half of what is free; of its new and slow endpoints' places, a sixteenth, or two, and a quarter of what is free for them.
 */
export const TAKE_PLACES = `${NOW}
for key = 1, 4 do redis.call('ZREMRANGEBYSCORE', KEYS[key], '-inf', now) end
local total = tonumber(ARGV[1]) * math.max(1, redis.call('ZCARD', KEYS[4]))
local function mayTake(kind, ofStore, slowOfStore)
  local free = total - redis.call('ZCARD', KEYS[1])
  if kind == 'quick' then return ofStore < total / 4 and ofStore < free / 2 end
  local slow = redis.call('ZCARD', KEYS[3])
  if kind == 'slow' then
    free = math.min(free, math.floor(total / 2) - slow)
  else
    free = math.min(free, math.floor(total * 3 / 4) - slow - redis.call('ZCARD', KEYS[2]))
  end
  return slowOfStore < math.max(2, total / 16) and slowOfStore < free / 4
end
local heldUntil = now + tonumber(ARGV[3])
local answers = {}
for key = 6, #KEYS, 5 do
  local arg = 9 + (key - 6) / 5 * 4
  local store, slowOfStore, endpoint, lane, jobOfPlace = KEYS[key], KEYS[key + 1], KEYS[key + 2], KEYS[key + 3], KEYS[key + 4]
  local delivery, place, job = ARGV[arg], ARGV[arg + 1], ARGV[arg + 2]
  for _, set in ipairs({ store, slowOfStore, endpoint }) do redis.call('ZREMRANGEBYSCORE', set, '-inf', now) end
  local known = redis.call('HMGET', lane, 'kind', 'width', 'latency', 'turn', 'closed', 'pause', 'failing')
  local kind = known[1] or 'new'
  local width = math.min(tonumber(known[2] or 1), tonumber(ARGV[2]))
  local failing = known[7] and math.max(1, now - tonumber(known[7])) or 0
  local longest = tonumber(failing > 0 and ARGV[8] or ARGV[7])
  -- After a fail-over the clock may be another machine's.
  local closed = math.min(tonumber(known[5] or 0), now + tonumber(ARGV[7]))
  local lastTurn = math.min(tonumber(known[4] or 0), now + longest)
  local held = redis.call('ZSCORE', endpoint, delivery)
  local isFull = closed > now or redis.call('ZCARD', endpoint) >= width
  if held and ARGV[4] == '0' and (job == '' or redis.call('GET', jobOfPlace) ~= job) then
    answers[#answers + 1] = math.max(1, tonumber(held) - now)
  elseif held then
    redis.call('ZADD', KEYS[1], heldUntil, place)
    for _, set in ipairs({ KEYS[2], KEYS[3], store, slowOfStore, endpoint }) do redis.call('ZADD', set, 'XX', heldUntil, delivery) end
    redis.call('PEXPIREAT', jobOfPlace, heldUntil)
    answers[#answers + 1] = 0
  elseif not isFull and mayTake(kind, redis.call('ZCARD', store), redis.call('ZCARD', slowOfStore)) then
    redis.call('ZADD', KEYS[1], heldUntil, place)
    if kind == 'new' then redis.call('ZADD', KEYS[2], heldUntil, delivery) end
    if kind == 'slow' then redis.call('ZADD', KEYS[3], heldUntil, delivery) end
    if kind ~= 'quick' then redis.call('ZADD', slowOfStore, heldUntil, delivery) end
    redis.call('ZADD', store, heldUntil, delivery)
    redis.call('ZADD', endpoint, heldUntil, delivery)
    for _, set in ipairs({ store, slowOfStore, endpoint }) do redis.call('PEXPIRE', set, ${PLACES_KEPT_MS}) end
    -- Whoever takes it when it is about to post has lost the one that it had: no publisher asks for that one again.
    if ARGV[4] == '0' then redis.call('SET', jobOfPlace, job, 'PX', ARGV[3]) else redis.call('DEL', jobOfPlace) end
    answers[#answers + 1] = 0
  else
    redis.call('HINCRBY', KEYS[5], isFull and 'endpoint' or 'share', 1)
    local shortest = tonumber(isFull and ARGV[5] or ARGV[6])
    local random = tonumber(ARGV[arg + 3])
    local step = math.max(shortest, tonumber(known[3] or 0) / width, tonumber(known[6] or 0))
    local turn = math.max(math.max(lastTurn, now) + step, closed)
    local delay = (turn - now) * (1 + 0.25 * random)
    if turn - now > longest then
      turn = now + longest
      delay = longest * (0.5 + 0.5 * random)
    end
    redis.call('HSET', lane, 'turn', string.format('%.0f', turn))
    redis.call('HINCRBY', lane, 'refused', 1)
    redis.call('PEXPIRE', lane, ${LANE_KEPT_MS})
    answers[#answers + 1] = math.max(1, math.floor(delay))
  end
  answers[#answers + 1] = failing
end
return answers`;

/**
 * KEYS: all places, those of new endpoints, those of slow ones, those of the store, those of them that new and slow endpoints have, those of the endpoint, its
 * lane, the job that the place is for. ARGV: the delivery, its place's name, what the POST came to (`none`: there was none), its latency, for how long the endpoint asked to be left alone, places of an endpoint at most, from which latency
 * on it is slow, places of a slow one, from how many silences on it is left alone, the shortest and the longest time of that, the longest that any is. Returns how
 * many further deliveries of the endpoint may be brought forward, after how many ms, how many were put off so far, then those that have a place. What waits is
 * not taken as told before it was: when the answer is lost, the next place that is given back tells again.
 */
export const GIVE_BACK_PLACE = `${NOW}
for key = 1, 6 do redis.call('ZREM', KEYS[key], key == 1 and ARGV[2] or ARGV[1]) end
redis.call('DEL', KEYS[8])
local result, lane = ARGV[3], KEYS[7]
if result == 'none' then return { 0, 0, 0 } end
local latency, widest = tonumber(ARGV[4]), tonumber(ARGV[6])
local isSlow = latency > tonumber(ARGV[7])
local known = redis.call('HMGET', lane, 'width', 'turn', 'closed', 'silences', 'silent', 'refused', 'seen')
local width = tonumber(known[1] or 1)
local closed = math.min(tonumber(known[3] or 0), now + tonumber(ARGV[12]))
local silences, silent, pause = 0, 0, 0
if result == 'success' then
  width = math.min(width + 1, isSlow and tonumber(ARGV[8]) or widest)
  redis.call('HSET', lane, 'turn', string.format('%.0f', math.min(tonumber(known[2] or 0), now)))
  closed = 0
elseif result == 'failure' then
  width = math.max(1, math.floor(width / 2))
elseif result == 'overload' then
  width = 1
else
  width = isSlow and 1 or math.max(1, math.floor(width / 2))
  silences, silent = tonumber(known[4] or 0), tonumber(known[5] or 0)
  -- What was on its way when the last one was noticed is the same silence.
  if now - latency >= silent then silences, silent = silences + 1, now end
  local beyond = silences - tonumber(ARGV[9])
  if beyond >= 0 then pause = math.min(tonumber(ARGV[10]) * 2 ^ math.min(beyond, 30), tonumber(ARGV[11])) end
end
closed = math.max(closed, now + math.max(pause, tonumber(ARGV[5])))
redis.call('HSET', lane, 'kind', isSlow and 'slow' or 'quick', 'width', width, 'latency', latency, 'closed', string.format('%.0f', closed),
  'silences', silences, 'silent', string.format('%.0f', silent), 'pause', pause)
if result == 'success' then redis.call('HDEL', lane, 'failing') else redis.call('HSETNX', lane, 'failing', string.format('%.0f', now - latency)) end
redis.call('PEXPIRE', lane, ${LANE_KEPT_MS})
-- Of an endpoint of which nothing is known, Redis may have forgotten that there is one.
local refused = tonumber(known[6] or 0)
if known[1] and refused == tonumber(known[7] or 0) then return { 0, 0, refused } end
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now)
local having = redis.call('ZRANGE', KEYS[6], 0, -1)
local free = width - #having
if free <= 0 then return { 0, 0, refused } end
-- Those that wait have turns that are far away: one of them asks when it may.
if result == 'silence' or closed > now then return { 1, math.max(1, latency, closed - now), refused, unpack(having) } end
return { free, 0, refused, unpack(having) }`;

/** KEYS: the lane. ARGV: how many of its deliveries had been put off when none was found that waits. One that was put off since then waits. */
export const NOTE_NONE_WAITING = `
if redis.call('HGET', KEYS[1], 'refused') == ARGV[1] then redis.call('HSET', KEYS[1], 'seen', ARGV[1]) end`;

/** KEYS: the processes. ARGV: this one, how long it counts. */
export const ANNOUNCE_PROCESS = `${NOW}
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])`;

/** KEYS: all places, those of new endpoints, those of slow ones, the processes, what was refused. Returns the names of all places, two counts, processes, refusals. */
export const REPORT_PLACES = `${NOW}
for key = 1, 4 do redis.call('ZREMRANGEBYSCORE', KEYS[key], '-inf', now) end
return {
  redis.call('ZRANGE', KEYS[1], 0, -1),
  redis.call('ZCARD', KEYS[2]),
  redis.call('ZCARD', KEYS[3]),
  redis.call('ZCARD', KEYS[4]),
  redis.call('HMGET', KEYS[5], 'endpoint', 'share')
}`;
