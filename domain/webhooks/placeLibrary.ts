/**
 * What the scripts of placeScripts.ts have in common, in Redis's Lua. All keys begin with KEYS[1],
 * so they are in one slot of a Redis Cluster; ARGV[1] are the rules (`PlaceRules`, as JSON). Times
 * are Redis's own, in ms.
 *
 *   <base>                     all places, by when they end by themselves
 *   …:new, …:slow              those of new endpoints, by when they count as slow; those of slow
 *                              ones
 *   …:store:<id>:<kind>        those of a store, by kind
 *   …:endpoint:<id>            the deliveries of an endpoint that have a place
 *   …:job:<delivery>           the job that its place is for (`job`, `place`), and whether it has
 *                              `begun`
 *   …:lane:<endpoint>          what is known of an endpoint, see below
 *   …:line:<kind>              stores that wait for a place of this kind: few places first, then
 *                              whoever waits longest
 *   …:store:<id>:line:<kind>   the endpoints for which the store waits
 *   …:processes, …:refusals    who works on deliveries; how often there was no place, by reason
 *
 * A place is called `store/endpoint/delivery`; one that is kept for whatever delivery of a woken
 * endpoint comes next has `*` for the delivery. An endpoint is in a line, or has such a place, or
 * neither.
 *
 * A lane is a hash:
 *
 *   kind     `quick` or `slow`, by its last POST; absent: it is `new`
 *   width    places that it may have at once
 *   latency  of its last POST
 *   turn     the last turn that was given away
 *   closed   it is left alone until then
 *   silences times in a row that it did not answer, `silent` the last of these; `pause` how long it
 *            is left alone for that
 *   failing  since when it has answered nothing with 2xx; absent: it has, or nothing is known
 *   refused  how many deliveries were put off; `seen` how many had been when the database was found
 *            to have none left: more may wait unless they are equal
 */

/** Forgotten that long after the last use. */
export const LANE_KEPT_MS = 24 * 3_600 * 1_000;
/** Longer than any place is held. Who waits in a line asks again by itself within that time. */
const PLACES_KEPT_MS = 3_600 * 1_000;
/** So many are woken by one script, or it would hold up others. The next one goes on. */
const MOST_WOKEN = 16;
/**
 * Of a line so many stores are looked at. Who has more places than the first may not have another
 * when the first may not, but for its slow endpoints (`mayTake`); each of those has an eighth of
 * all places.
 */
const STORES_LOOKED_AT = 9;
/** Of a store's score in a line: its number of places before, the time since it waits behind. */
const COUNT_UNIT = 1e12;

export const PLACE_LIBRARY = `
local base, rules = KEYS[1], cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local KINDS = { 'quick', 'new', 'slow' }

local function key(...) return base .. ':' .. table.concat({ ... }, ':') end
local function nameOf(store, endpoint, delivery) return store .. '/' .. endpoint .. '/' .. delivery end
local function split(name) return string.match(name, '^([^/]*)/([^/]*)/(.*)$') end
local function countOf(kind, store) return redis.call('SCARD', key('store', store, kind)) end

local function readLane(endpoint)
  local known = redis.call('HMGET', key('lane', endpoint),
    'kind', 'width', 'closed', 'refused', 'seen', 'latency', 'pause', 'turn', 'failing')
  local refused = tonumber(known[4] or 0)
  return {
    kind = known[1] or 'new',
    width = math.min(tonumber(known[2] or 1), rules.placesOfEndpoint),
    -- After a fail-over the clock may be another machine's.
    closed = math.min(tonumber(known[3] or 0), now + rules.longestClosedMs),
    refused = refused,
    -- Until the database was asked, any may: Redis may have forgotten them.
    mayWait = not known[5] or refused ~= tonumber(known[5]),
    latency = tonumber(known[6] or 0),
    pause = tonumber(known[7] or 0),
    turn = tonumber(known[8] or 0),
    failing = known[9] and math.max(1, now - tonumber(known[9])) or 0,
  }
end

-- Lines

-- How much a store has of a kind has changed, or it was served.
local function rescore(store, kind, servedAt)
  local line = key('line', kind)
  local score = redis.call('ZSCORE', line, store)
  if score then
    redis.call('ZADD', line, countOf(kind, store) * ${COUNT_UNIT} + (servedAt or tonumber(score)) % ${COUNT_UNIT}, store)
  end
end

-- @return whether it waited in a line of another kind than the one that is excepted
local function leave(store, endpoint, except)
  local hasLeft = false
  for _, kind in ipairs(KINDS) do
    local endpoints = key('store', store, 'line', kind)
    if kind ~= except and redis.call('ZREM', endpoints, endpoint) == 1 then
      hasLeft = true
      if redis.call('ZCARD', endpoints) == 0 then redis.call('ZREM', key('line', kind), store) end
    end
  end
  return hasLeft
end

-- One for which a place is kept already comes back when that ends.
local function enter(store, endpoint, kind)
  leave(store, endpoint, kind)
  if redis.call('ZSCORE', base, nameOf(store, endpoint, '*')) then return end
  local endpoints, line = key('store', store, 'line', kind), key('line', kind)
  redis.call('ZADD', endpoints, 'NX', now, endpoint)
  redis.call('ZADD', line, 'NX', countOf(kind, store) * ${COUNT_UNIT} + now % ${COUNT_UNIT}, store)
  for _, each in ipairs({ endpoints, line }) do redis.call('PEXPIRE', each, ${PLACES_KEPT_MS}) end
end

-- Places

local function add(store, endpoint, delivery, kind, heldUntil, newUntil)
  local name = nameOf(store, endpoint, delivery)
  redis.call('ZADD', base, heldUntil, name)
  if kind ~= 'quick' then redis.call('ZADD', key(kind), kind == 'new' and newUntil or heldUntil, name) end
  local ofStore, ofEndpoint = key('store', store, kind), key('endpoint', endpoint)
  redis.call('SADD', ofStore, name)
  redis.call('ZADD', ofEndpoint, heldUntil, delivery)
  for _, each in ipairs({ ofStore, ofEndpoint }) do redis.call('PEXPIRE', each, ${PLACES_KEPT_MS}) end
  rescore(store, kind)
end

-- @return its kind; nil when there was no such place
local function drop(name)
  if redis.call('ZREM', base, name) == 0 then return nil end
  local store, endpoint, delivery = split(name)
  local kind = 'quick'
  if redis.call('ZREM', key('new'), name) == 1 then kind = 'new' end
  if redis.call('ZREM', key('slow'), name) == 1 then kind = 'slow' end
  redis.call('SREM', key('store', store, kind), name)
  redis.call('ZREM', key('endpoint', endpoint), delivery)
  redis.call('DEL', key('job', delivery))
  rescore(store, kind)
  return kind
end

local function listHaving(endpoint)
  local having = {}
  for _, delivery in ipairs(redis.call('ZRANGE', key('endpoint', endpoint), 0, -1)) do
    if delivery ~= '*' then having[#having + 1] = delivery end
  end
  return having
end

local function isFull(endpoint, lane)
  return lane.closed > now or redis.call('ZCARD', key('endpoint', endpoint)) >= lane.width
end

-- What ended by itself: nobody else tells those that wait for it.
for _, name in ipairs(redis.call('ZRANGEBYSCORE', base, '-inf', now)) do
  local store, endpoint, delivery = split(name)
  drop(name)
  local lane = readLane(endpoint)
  if delivery == '*' or lane.mayWait then enter(store, endpoint, lane.kind) end
end
-- Who does not answer at once is slow, even if it is new.
for _, name in ipairs(redis.call('ZRANGEBYSCORE', key('new'), '-inf', now)) do
  local store = split(name)
  redis.call('ZREM', key('new'), name)
  redis.call('ZADD', key('slow'), redis.call('ZSCORE', base, name), name)
  redis.call('SMOVE', key('store', store, 'new'), key('store', store, 'slow'), name)
  redis.call('PEXPIRE', key('store', store, 'slow'), ${PLACES_KEPT_MS})
  rescore(store, 'new')
  rescore(store, 'slow')
end
redis.call('ZREMRANGEBYSCORE', key('processes'), '-inf', now)

-- Shares

local total = rules.placesOfProcess * math.max(1, redis.call('ZCARD', key('processes')))

local function countAll(kind)
  local all, new, slow = redis.call('ZCARD', base), redis.call('ZCARD', key('new')), redis.call('ZCARD', key('slow'))
  if kind == 'new' then return new end
  if kind == 'slow' then return slow end
  return all - new - slow
end

-- How many there are for a kind, whoever takes them.
local function roomOf(kind)
  local free = total - redis.call('ZCARD', base)
  if kind == 'quick' then return free end
  local new, slow = countAll('new'), countAll('slow')
  if kind == 'new' then return math.min(free, math.floor(total / 4) - new, math.floor(total * 3 / 4) - new - slow) end
  return math.min(free, math.max(math.floor(total / 2) - slow, free - math.floor(total * 3 / 8)))
end

-- Whether the store may have one more, after \`further\` ones.
local function mayTake(kind, store, further)
  local room, count = roomOf(kind) - further, countOf(kind, store) + further
  if room <= 0 then return false end
  if kind == 'quick' then return count < total / 4 and count < room / 2 end
  if count >= math.max(2, total / 16) then return false end
  if kind == 'slow' then return count < room / 4 end
  return count < room / 2 and count + countOf('slow', store) < math.max(4, total / 8)
end

-- Those that wait

-- The store's endpoint that has waited longest; when there is none, the store waits no more.
local function findReady(kind, store)
  for _, endpoint in ipairs(redis.call('ZRANGE', key('store', store, 'line', kind), 0, -1)) do
    local lane = readLane(endpoint)
    if lane.kind ~= kind then
      enter(store, endpoint, lane.kind)
    elseif isFull(endpoint, lane) then
      -- It is told when one of its own places is given back, or when it may be asked again.
      leave(store, endpoint)
    else
      return endpoint, lane
    end
  end
  redis.call('ZREM', key('line', kind), store)
end

-- Gives places that are free to those that have the best claim. They are kept for the endpoints for a moment; the caller sees to it that they are used.
-- @return for each endpoint its store, itself, how many of its deliveries were put off so far, and which have a place
local function wake()
  local woken = {}
  local function fill(kind, most)
    while #woken < ${MOST_WOKEN} do
      local isServed = false
      local stores = redis.call('ZRANGE', key('line', kind), 0, ${STORES_LOOKED_AT - 1})
      if #stores == 0 or countAll(kind) >= most or roomOf(kind) <= 0 then return end
      for _, store in ipairs(stores) do
        if mayTake(kind, store, 0) then
          isServed = true
          local endpoint, lane = findReady(kind, store)
          if endpoint then
            local keptUntil = now + rules.keptMs
            leave(store, endpoint)
            add(store, endpoint, '*', kind, keptUntil, keptUntil)
            rescore(store, kind, now)
            woken[#woken + 1] = { store, endpoint, lane.refused, listHaving(endpoint) }
          end
          break
        end
      end
      if not isServed then return end
    end
  end
  -- An eighth for each of these first: they must not wait for ever for those that are always there.
  fill('new', total / 8)
  fill('slow', total / 8)
  for _, kind in ipairs(KINDS) do fill(kind, math.huge) end
  return woken
end
`;
