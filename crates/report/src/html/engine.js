// The engine of a report page: opens the cube, and answers each choice of hours and groups from it.
//
// In: the base64 text of a cube (docs/cube.md is its format). Out: one global, `Borehole`, whose `open` gives
// an object to ask; its answers have the shape of the report's JSON. Always: a figure is exactly that of a
// fresh run with the same choice, or it is absent and `withheld` says why; counts are integers below 2^53,
// quotients are decimals as text, by integer division; anything odd in the cube is an Error, never a wrong
// figure. Absent: the document, any request, and floating-point division of anything that is shown.
"use strict";

const Borehole = (() => {
  const VERSION = 1;

  // A page holds a few MB of cube, which unpack to some ten times as much; what grows past this is no cube.
  const UNPACKED_BYTES_MAX = 512 * 1024 * 1024;

  const MINUTES_OF_HOUR = 60;
  const SECONDS_OF_HOUR = 3600;
  const SECONDS_OF_MINUTE = 60;
  const MINUTES_OF_DAY = 1440;

  // The support form's own threshold, in tokens.
  const HIGH_TOKEN_THRESHOLD = 25000;

  // In the cube's order.
  const COUNTERS = [
    "attempted", "successful", "throttled", "input", "output", "cacheRead", "cacheWrite", "prompt",
    "inputKnown", "outputKnown", "settled", "settledKnown", "reserved", "reservedKnown", "errorInput",
    "errorOutput", "below1000", "above25000ByInput", "above25000ByPrompt", "largeInput", "largeOutput",
    "largeEither", "largeBytes",
  ];

  // In the cube's order.
  const SPREADS = [
    "input_tokens", "output_tokens", "prompt_tokens", "latency_ms", "first_byte_ms", "input_bytes",
    "output_bytes",
  ];

  // What a minute or a window adds up to, in the cube's order.
  const QUANTITIES = ["attempts", "tokens", "settled", "reserved"];

  // Windows inside of an hour: 60, 10 and 1 seconds; then 60 and 10 across its end. Four quantities each.
  const INNER_WINDOWS = 3 * QUANTITIES.length;
  const CROSSING_WINDOWS = 2 * QUANTITIES.length;

  // Buckets per power of two above the exact part, and how many there are: the last is that of 2^40.
  const HALF = 1024;
  const BUCKETS = 31 * HALF + 1;

  // In thousandths, ascending, as they are named in the report.
  const VALUE_RANKS = [["p50", 500], ["p90", 900], ["p95", 950], ["p99", 990], ["p999", 999]];
  const MINUTE_RANKS = [["p50", 500], ["p90", 900], ["p99", 990]];

  // ---------------------------------------------------------------------------------------------- bytes

  /** @throws {Error} on text that is not base64 of a raw DEFLATE stream. */
  async function unpack(base64Text) {
    const packed = bytesOfBase64(base64Text);
    const source = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const reader = source.getReader();
    const pieces = [];
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      length += value.length;
      if (length > UNPACKED_BYTES_MAX) {
        await reader.cancel();
        throw new Error("the cube is too large");
      }
    }
    const bytes = new Uint8Array(length);
    let position = 0;
    for (const piece of pieces) {
      bytes.set(piece, position);
      position += piece.length;
    }
    return bytes;
  }

  function bytesOfBase64(text) {
    const characters = atob(text.trim());
    const bytes = new Uint8Array(characters.length);
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = characters.charCodeAt(index);
    return bytes;
  }

  /** Reads integers and texts from first to last. Whatever is impossible throws. */
  class Reader {
    constructor(bytes) {
      this.bytes = bytes;
      this.position = 0;
    }

    /** The next integer, 0 … 2^53 − 1. */
    integer() {
      const first = this.bytes[this.position];
      this.position += 1;
      // Past the end a byte is undefined, which is not below anything.
      return first < 128 ? first : this.longInteger(first);
    }

    longInteger(first) {
      const bytes = this.bytes;
      let value = first & 127;
      let scale = 128;
      let byte;
      do {
        byte = bytes[this.position];
        this.position += 1;
        value += (byte & 127) * scale;
        scale *= 128;
      } while (byte >= 128);
      if (this.position > bytes.length) throw new Error("the cube ends too early");
      return safe(value);
    }

    /** The next signed integer: 0, −1, 1, −2 … are written as 0, 1, 2, 3 … */
    signed() {
      const folded = this.integer();
      return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
    }

    /** The next integer, at most `limit`. */
    upTo(limit) {
      const value = this.integer();
      if (value > limit) throw new Error("the cube has a number out of its bounds");
      return value;
    }

    /** How many entries come next. Each takes a byte or more, so that no array is larger than the cube. */
    count() {
      return this.upTo(this.bytes.length - this.position);
    }

    text() {
      const length = this.count();
      const bytes = this.bytes.subarray(this.position, this.position + length);
      this.position += length;
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    }

    /** One integer for each of `length` entries. */
    column(length) {
      this.needs(length);
      const column = new Float64Array(length);
      for (let index = 0; index < length; index += 1) column[index] = this.integer();
      return column;
    }

    /** @throws {Error} if fewer bytes are left than so many entries take. */
    needs(entries) {
      if (entries > this.bytes.length - this.position) throw new Error("the cube ends too early");
    }

    end() {
      if (this.position !== this.bytes.length) throw new Error("the cube has more than it says");
    }
  }

  /** A typed array that grows. */
  class Growing {
    constructor(Type) {
      this.array = new Type(1024);
      this.length = 0;
    }

    push(value) {
      if (this.length === this.array.length) {
        const larger = new this.array.constructor(2 * this.length);
        larger.set(this.array);
        this.array = larger;
      }
      this.array[this.length] = value;
      this.length += 1;
    }

    finish() {
      return this.array.slice(0, this.length);
    }
  }

  /** The value, if every integer up to it is exact. A sum of many is checked once: it only grows. */
  function safe(value) {
    if (!Number.isSafeInteger(value)) throw new Error("a sum is too large to be exact");
    return value;
  }

  // ------------------------------------------------------------------------------------------- sections
  // In the order of docs/cube.md, which numbers them.

  /** Everything that a cube holds, as columns. */
  function readCube(bytes) {
    const reader = new Reader(bytes);
    if (reader.integer() !== VERSION) throw new Error("the cube is of another version");
    const names = readNames(reader);
    const dimensions = readDimensions(reader, names);
    const asked = { from: readMoment(reader), to: readMoment(reader) };
    const hours = readHours(reader);
    const spans = readSpans(reader);
    const groups = readGroups(reader, names, dimensions.length);
    const cells = readCells(reader, groups.length, hours.length);
    const counters = COUNTERS.map(() => reader.column(cells.hour.length));
    const kinds = readKinds(reader, names, cells.hour.length);
    const [errors, status, stopReasons] = [0, 1, 2].map(() => readNamed(reader, names, cells.hour.length));
    const coverage = readCoverage(reader, cells.hour.length, spans.length);
    const minutes = readMinutes(reader, cells);
    const throttles = readThrottles(reader, cells);
    const hoursOfAll = dimensions.length > 0 ? hours.length : 0;
    const windows = [];
    for (let window = 0; window < INNER_WINDOWS + CROSSING_WINDOWS; window += 1) {
      windows.push(reader.column(hoursOfAll + cells.hour.length));
    }
    const slotHours = reader.integer();
    const slots = findSlots(hours, groups.length, cells, slotHours);
    const spreads = readSpreads(reader, names, slots.firstCell.length);
    const rankings = readRankings(reader, names, slots, hoursOfAll > 0);
    reader.end();
    return {
      names, dimensions, asked, hours, spans, groups, cells, counters, kinds, errors, status, stopReasons,
      coverage, minutes, throttles, hoursOfAll, windows, slotHours, slots, spreads, rankings,
    };
  }

  function readNames(reader) {
    const names = [];
    for (let left = reader.count(); left > 0; left -= 1) names.push(reader.text());
    return names;
  }

  /** A name, or null. */
  function readName(reader, names) {
    const reference = reader.upTo(names.length);
    return reference === 0 ? null : names[reference - 1];
  }

  /** The index of a name that must be one. */
  function readNameIndex(reader, names) {
    const reference = reader.upTo(names.length);
    if (reference === 0) throw new Error("the cube has no name where one must be");
    return reference - 1;
  }

  function readDimensions(reader, names) {
    const dimensions = [];
    for (let left = reader.count(); left > 0; left -= 1) dimensions.push(names[readNameIndex(reader, names)]);
    return dimensions;
  }

  /** An end of the asked range, or null where none was asked. */
  function readMoment(reader) {
    if (reader.upTo(1) === 0) return null;
    const seconds = reader.signed();
    return { seconds, nanos: reader.upTo(999999999) };
  }

  /** Hours since 1970, ascending. */
  function readHours(reader) {
    const hours = new Float64Array(reader.count());
    for (let index = 0; index < hours.length; index += 1) {
      hours[index] = index === 0 ? reader.signed() : safe(hours[index - 1] + 1 + reader.integer());
    }
    return hours;
  }

  function readSpans(reader) {
    const spans = [];
    for (let left = reader.count(); left > 0; left -= 1) spans.push(readHours(reader));
    return spans;
  }

  /** The values of each group by dimension. */
  function readGroups(reader, names, dimensionCount) {
    // Without dimensions a group has no bytes here: there is one.
    const count = dimensionCount > 0 ? reader.count() : reader.upTo(1);
    const groups = [];
    for (let left = count; left > 0; left -= 1) {
      const key = [];
      for (let dimension = 0; dimension < dimensionCount; dimension += 1) key.push(readName(reader, names));
      groups.push(key);
    }
    return groups;
  }

  /** The cells of group g are start[g] … start[g + 1] − 1; `hour` is the index of a cell's hour. */
  function readCells(reader, groupCount, hourCount) {
    const start = new Uint32Array(groupCount + 1);
    const hour = new Growing(Uint32Array);
    for (let group = 0; group < groupCount; group += 1) {
      let next = 0;
      for (let left = reader.upTo(hourCount); left > 0; left -= 1) {
        const index = next + reader.integer();
        if (index >= hourCount) throw new Error("the cube has a cell outside of its hours");
        hour.push(index);
        next = index + 1;
      }
      start[group + 1] = hour.length;
    }
    return { start, hour: hour.finish() };
  }

  /** Requests by kind of content: a column of the cells each. */
  function readKinds(reader, names, cellCount) {
    const kinds = [];
    for (let left = reader.count(); left > 0; left -= 1) {
      const name = names[readNameIndex(reader, names)];
      kinds.push({ name, requests: reader.column(cellCount) });
    }
    return kinds;
  }

  /** Requests by name; those of cell c are start[c] … start[c + 1] − 1. */
  function readNamed(reader, names, cellCount) {
    const start = new Uint32Array(cellCount + 1);
    const name = new Growing(Uint32Array);
    const requests = new Growing(Float64Array);
    for (let cell = 0; cell < cellCount; cell += 1) {
      for (let left = reader.count(); left > 0; left -= 1) {
        name.push(readNameIndex(reader, names));
        requests.push(reader.integer());
      }
      start[cell + 1] = name.length;
    }
    return { start, name: name.finish(), requests: requests.finish() };
  }

  /** Where the records of a cell come from: 0, or one more than the index of a span. */
  function readCoverage(reader, cellCount, spanCount) {
    const start = new Uint32Array(cellCount + 1);
    const span = new Growing(Uint32Array);
    for (let cell = 0; cell < cellCount; cell += 1) {
      for (let left = reader.count(); left > 0; left -= 1) span.push(reader.upTo(spanCount));
      start[cell + 1] = span.length;
    }
    return { start, span: span.finish() };
  }

  /**
   * The active minutes of all cells; those of cell c are start[c] … start[c + 1] − 1. `place` is 60 × the index
   * of the hour + the minute of the hour.
   */
  function readMinutes(reader, cells) {
    const cellCount = cells.hour.length;
    const start = new Uint32Array(cellCount + 1);
    for (let cell = 0; cell < cellCount; cell += 1) start[cell + 1] = start[cell] + reader.upTo(MINUTES_OF_HOUR);
    const count = start[cellCount];
    reader.needs(count);
    const place = new Uint32Array(count);
    for (let cell = 0; cell < cellCount; cell += 1) {
      readPlaces(reader, place, start[cell], start[cell + 1], cells.hour[cell]);
    }
    const attempts = reader.column(count);
    const tokens = reader.column(count);
    const settled = readDifferences(reader, tokens);
    const reserved = readDifferences(reader, settled);
    return { start, place, attempts, tokens, settled, reserved };
  }

  /** Minutes of one hour, ascending. */
  function readPlaces(reader, place, from, to, hour) {
    let next = 0;
    for (let index = from; index < to; index += 1) {
      const minute = next + reader.integer();
      if (minute >= MINUTES_OF_HOUR) throw new Error("the cube has a minute outside of its hour");
      place[index] = MINUTES_OF_HOUR * hour + minute;
      next = minute + 1;
    }
  }

  function readDifferences(reader, others) {
    reader.needs(others.length);
    const column = new Float64Array(others.length);
    for (let index = 0; index < column.length; index += 1) {
      const value = others[index] + reader.signed();
      if (value < 0) throw new Error("the cube has a count below 0");
      column[index] = safe(value);
    }
    return column;
  }

  /** The minutes of each cell with throttles; places as in `readMinutes`. */
  function readThrottles(reader, cells) {
    const cellCount = cells.hour.length;
    const start = new Uint32Array(cellCount + 1);
    const place = new Growing(Uint32Array);
    const throttled = new Growing(Float64Array);
    for (let cell = 0; cell < cellCount; cell += 1) {
      let next = 0;
      for (let left = reader.upTo(MINUTES_OF_HOUR); left > 0; left -= 1) {
        const minute = next + reader.integer();
        if (minute >= MINUTES_OF_HOUR) throw new Error("the cube has a minute outside of its hour");
        place.push(MINUTES_OF_HOUR * cells.hour[cell] + minute);
        throttled.push(reader.integer());
        next = minute + 1;
      }
      start[cell + 1] = place.length;
    }
    return { start, place: place.finish(), throttled: throttled.finish() };
  }

  function slotOf(hour, slotHours) {
    return slotHours === 0 ? 0 : Math.floor(hour / slotHours);
  }

  /**
   * The slots of each group, numbered through all groups: those of group g are start[g] … start[g + 1] − 1, and
   * begin with the cells firstCell[…]. `firstHour` are the indexes of the hours that slots of everything begin with.
   */
  function findSlots(hours, groupCount, cells, slotHours) {
    const start = new Uint32Array(groupCount + 1);
    const firstCell = new Growing(Uint32Array);
    for (let group = 0; group < groupCount; group += 1) {
      for (let cell = cells.start[group]; cell < cells.start[group + 1]; cell += 1) {
        const slot = slotOf(hours[cells.hour[cell]], slotHours);
        const isFirst = cell === cells.start[group];
        if (isFirst || slot !== slotOf(hours[cells.hour[cell - 1]], slotHours)) firstCell.push(cell);
      }
      start[group + 1] = firstCell.length;
    }
    const firstHour = [];
    hours.forEach((hour, index) => {
      const slot = slotOf(hour, slotHours);
      if (index === 0 || slot !== slotOf(hours[index - 1], slotHours)) firstHour.push(index);
    });
    return { start, firstCell: firstCell.finish(), firstHour };
  }

  /**
   * The spreads: a list of (count, min, max, sum) and of buckets. Slot s has those numbered base[s] … base[s] + 6,
   * and its inference Regions, entries inferenceStart[s] … of which has the spreads inferenceSpread[…], of latency,
   * and the one after it, of first bytes.
   */
  function readSpreads(reader, names, slotCount) {
    const spreads = {
      base: new Uint32Array(slotCount),
      count: new Growing(Float64Array),
      min: new Growing(Float64Array),
      max: new Growing(Float64Array),
      sum: new Growing(Float64Array),
      bucketStart: new Growing(Uint32Array),
      bucket: new Growing(Uint16Array),
      values: new Growing(Float64Array),
      inferenceStart: new Uint32Array(slotCount + 1),
      inferenceName: new Growing(Uint32Array),
      inferenceRequests: new Growing(Float64Array),
      inferenceSpread: new Growing(Uint32Array),
    };
    for (let slot = 0; slot < slotCount; slot += 1) {
      spreads.base[slot] = spreads.count.length;
      SPREADS.forEach(() => readSpread(reader, spreads));
      for (let left = reader.count(); left > 0; left -= 1) {
        spreads.inferenceName.push(readNameIndex(reader, names));
        spreads.inferenceRequests.push(reader.integer());
        spreads.inferenceSpread.push(spreads.count.length);
        readSpread(reader, spreads);
        readSpread(reader, spreads);
      }
      spreads.inferenceStart[slot + 1] = spreads.inferenceName.length;
    }
    spreads.bucketStart.push(spreads.bucket.length);
    for (const [name, column] of Object.entries(spreads)) {
      if (column instanceof Growing) spreads[name] = column.finish();
    }
    return spreads;
  }

  function readSpread(reader, spreads) {
    const count = reader.integer();
    const min = count > 0 ? reader.integer() : 0;
    const max = count > 0 ? safe(min + reader.integer()) : 0;
    const sum = count > 0 ? reader.integer() : 0;
    spreads.count.push(count);
    spreads.min.push(min);
    spreads.max.push(max);
    spreads.sum.push(sum);
    spreads.bucketStart.push(spreads.bucket.length);
    if (count > 0) readBuckets(reader, spreads, count);
  }

  function readBuckets(reader, spreads, count) {
    let next = 0;
    let seen = 0;
    for (let left = reader.count(); left > 0; left -= 1) {
      const word = reader.integer();
      const holdsMore = word % 2;
      const bucket = next + (word - holdsMore) / 2;
      if (bucket >= BUCKETS) throw new Error("the cube has a value outside of every bucket");
      const values = holdsMore === 1 ? reader.integer() + 2 : 1;
      spreads.bucket.push(bucket);
      spreads.values.push(values);
      seen += values;
      next = bucket + 1;
    }
    if (seen !== count) throw new Error("the cube has buckets that do not add up");
  }

  function readRankings(reader, names, slots, hasAll) {
    const rankings = [];
    for (let left = reader.count(); left > 0; left -= 1) {
      const dimension = names[readNameIndex(reader, names)];
      const values = [];
      for (let more = reader.count(); more > 0; more -= 1) values.push(readName(reader, names));
      // The last value may be all that were cut off.
      const omitted = reader.upTo(1) === 1 ? reader.integer() : 0;
      const sums = readRankSums(reader, values.length, slots.firstCell.length);
      const peaksOfAll = readPeaks(reader, values.length, hasAll ? slots.firstHour.length : 0);
      const peaks = readPeaks(reader, values.length, slots.firstCell.length);
      rankings.push({ dimension, values, omitted, sums, peaksOfAll, peaks });
    }
    return rankings;
  }

  /** The sums of each value in each slot; those of slot s are start[s] … start[s + 1] − 1. */
  function readRankSums(reader, valueCount, slotCount) {
    const start = new Uint32Array(slotCount + 1);
    const value = new Growing(Uint32Array);
    const columns = [0, 1, 2, 3, 4].map(() => new Growing(Float64Array));
    for (let slot = 0; slot < slotCount; slot += 1) {
      let next = 0;
      for (let left = reader.upTo(valueCount); left > 0; left -= 1) {
        next = readValueIndex(reader, value, next, valueCount);
        for (const column of columns) column.push(reader.integer());
      }
      start[slot + 1] = value.length;
    }
    const [attempted, throttled, input, output, settled] = columns.map((column) => column.finish());
    return { start, value: value.finish(), attempted, throttled, input, output, settled };
  }

  function readValueIndex(reader, value, next, valueCount) {
    const index = next + reader.integer();
    if (index >= valueCount) throw new Error("the cube has a rank of no value");
    value.push(index);
    return index + 1;
  }

  /** The largest minute of each slot (−1 where there is none), and who was in it. */
  function readPeaks(reader, valueCount, slotCount) {
    const start = new Uint32Array(slotCount + 1);
    const minute = new Float64Array(slotCount).fill(-1);
    const total = new Float64Array(slotCount);
    const value = new Growing(Uint32Array);
    const load = new Growing(Float64Array);
    for (let slot = 0; slot < slotCount; slot += 1) {
      if (reader.upTo(1) === 1) {
        minute[slot] = reader.integer();
        total[slot] = reader.integer();
        let next = 0;
        for (let left = reader.upTo(valueCount); left > 0; left -= 1) {
          next = readValueIndex(reader, value, next, valueCount);
          load.push(reader.integer());
        }
      }
      start[slot + 1] = value.length;
    }
    return { start, minute, total, value: value.finish(), load: load.finish() };
  }

  // -------------------------------------------------------------------------------------------- figures

  /** An exact quotient as text with at most six fraction digits, ties to even; undefined over nothing. */
  function quotient(numerator, denominator) {
    const divisor = BigInt(denominator);
    if (divisor === 0n) return undefined;
    const scaled = BigInt(numerator) * 1000000n;
    let micros = scaled / divisor;
    const twiceRest = 2n * (scaled % divisor);
    if (twiceRest > divisor || (twiceRest === divisor && micros % 2n === 1n)) micros += 1n;
    const fraction = (micros % 1000000n).toString().padStart(6, "0").replace(/0+$/, "");
    const units = (micros / 1000000n).toString();
    return fraction === "" ? units : `${units}.${fraction}`;
  }

  /** The rank of a percentile, counted from 1: ⌈q·n⌉. */
  function nearestRank(thousandths, count) {
    return Number((BigInt(count) * BigInt(thousandths) + 999n) / 1000n);
  }

  /** RFC 3339 of a moment, with as many groups of three fraction digits as it needs. */
  function timeText(seconds, nanos = 0) {
    const date = new Date(1000 * seconds);
    // What no calendar reaches is shown by its number, as the report does.
    if (Number.isNaN(date.getTime())) return `@${seconds}`;
    const digits = nanos.toString().padStart(9, "0").replace(/(000)+$/, "");
    return date.toISOString().replace(/\.000Z$/, digits === "" ? "Z" : `.${digits}Z`);
  }

  /** An object for names from the logs: without a prototype, so that every name is one like others. */
  function countsObject() {
    return Object.create(null);
  }

  /** Order of texts as in the report, by code point; null, no value, comes first. */
  function compareTexts(a, b) {
    if (a === null || b === null) return a === b ? 0 : a === null ? -1 : 1;
    const common = Math.min(a.length, b.length);
    for (let index = 0; index < common; index += 1) {
      const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
      if (left !== right) return codePointOrder(left) - codePointOrder(right);
    }
    return a.length - b.length;
  }

  /** Halves of a code point above U+FFFF come after all others. */
  function codePointOrder(unit) {
    if (unit < 0xd800) return unit;
    return unit > 0xdfff ? unit - 0x800 : unit + 0x2000;
  }

  function compareKeys(a, b) {
    for (let index = 0; index < a.length; index += 1) {
      const order = compareTexts(a[index], b[index]);
      if (order !== 0) return order;
    }
    return 0;
  }

  /** The first index whose value is not below `limit`, of ascending values. */
  function lowerBound(values, limit, from = 0, to = values.length) {
    let [low, high] = [from, to];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (values[middle] < limit) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The smallest value of a bucket. */
  function bucketLowest(bucket) {
    if (bucket < 2 * HALF) return bucket;
    const width = Math.floor(bucket / HALF) - 1;
    return ((bucket % HALF) + HALF) * 2 ** width;
  }

  /** The largest value of a bucket. */
  function bucketHighest(bucket) {
    return bucketLowest(bucket + 1) - 1;
  }

  /** Spreads put together. Its buckets are dense, and reused for the next one. */
  class Spread {
    constructor() {
      this.values = new Float64Array(BUCKETS);
      this.clear();
    }

    clear() {
      if (this.count > 0) this.values.fill(0, this.first, this.last + 1);
      this.count = 0;
      this.sum = 0;
      this.min = Infinity;
      this.max = 0;
      this.first = BUCKETS;
      this.last = -1;
    }

    /** Adds these spreads, in place of what was here. */
    gather(spreads, numbers) {
      this.clear();
      for (const number of numbers) this.add(spreads, number);
      safe(this.sum);
      return this;
    }

    add(spreads, number) {
      const { bucket, values, bucketStart } = spreads;
      if (spreads.count[number] === 0) return;
      this.count += spreads.count[number];
      this.sum += spreads.sum[number];
      this.min = Math.min(this.min, spreads.min[number]);
      this.max = Math.max(this.max, spreads.max[number]);
      const [from, to] = [bucketStart[number], bucketStart[number + 1]];
      for (let index = from; index < to; index += 1) this.values[bucket[index]] += values[index];
      this.first = Math.min(this.first, bucket[from]);
      this.last = Math.max(this.last, bucket[to - 1]);
    }

    /** As in the report; undefined where nothing was seen. */
    figures() {
      if (this.count === 0) return undefined;
      const mean = quotient(this.sum, this.count);
      const figures = { count: this.count, min: this.min, max: this.max, mean };
      let bucket = this.first;
      let seen = this.values[bucket];
      for (const [name, thousandths] of VALUE_RANKS) {
        const rank = nearestRank(thousandths, this.count);
        while (seen < rank) {
          bucket += 1;
          seen += this.values[bucket];
        }
        figures[name] = Math.min(bucketHighest(bucket), this.max);
      }
      return figures;
    }

    /** The buckets that hold something: lowest value, highest value, values in it. */
    buckets() {
      const buckets = [];
      for (let bucket = this.first; bucket <= this.last; bucket += 1) {
        const count = this.values[bucket];
        if (count > 0) buckets.push([bucketLowest(bucket), bucketHighest(bucket), count]);
      }
      return { count: this.count, buckets };
    }
  }

  /** Puts the value that belongs to `place` there, smaller ones before it, larger ones after it. */
  function selectNth(values, place, from) {
    let [low, high] = [from, values.length - 1];
    while (low < high) {
      const pivot = medianOfThree(values[low], values[(low + high) >>> 1], values[high]);
      let [left, right] = [low, high];
      while (left <= right) {
        while (values[left] < pivot) left += 1;
        while (values[right] > pivot) right -= 1;
        if (left <= right) {
          const value = values[left];
          values[left] = values[right];
          values[right] = value;
          left += 1;
          right -= 1;
        }
      }
      if (place <= right) high = right;
      else if (place >= left) low = left;
      else return values[place];
    }
    return values[place];
  }

  function medianOfThree(a, b, c) {
    return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
  }

  /**
   * The figures of one quantity over active minutes, but for the average over all minutes, and their sum; null where
   * there are none. `time` is in minutes and ascends; `windows` are the largest 60, 10 and 1 seconds, or null where
   * they cannot be told.
   */
  function minuteFigures(time, values, windows) {
    if (values.length === 0) return null;
    let [sum, peak, peakAt] = [0, -1, 0];
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index];
      sum += value;
      // Of equal minutes the earliest counts.
      if (value > peak) {
        peak = value;
        peakAt = index;
      }
    }
    const figures = { average: quotient(safe(sum), values.length) };
    const ordered = values.slice();
    let from = 0;
    for (const [name, thousandths] of MINUTE_RANKS) {
      const place = nearestRank(thousandths, ordered.length) - 1;
      figures[name] = selectNth(ordered, place, from);
      from = place;
    }
    figures.peak = peak;
    figures.peak_minute = timeText(SECONDS_OF_MINUTE * time[peakAt]);
    if (windows !== null) {
      const [sixtySeconds, tenSeconds, second] = windows;
      figures.peak_sliding_60s = sixtySeconds;
      if (peak > 0) {
        const overPeak = (value, times) => quotient(BigInt(value) * times, peak);
        figures.burst = { second_x60: overPeak(second, 60n), ten_seconds_x6: overPeak(tenSeconds, 6n) };
      }
    }
    return { sum, figures };
  }

  /** The figures with the average over all minutes of the range that are in no gap, where there are any. */
  function withAverageAll(taken, minutesOutsideGaps) {
    if (taken === null) return undefined;
    const { average, ...others } = taken.figures;
    const averageAll = quotient(taken.sum, minutesOutsideGaps);
    return averageAll === undefined ? taken.figures : { average, average_all: averageAll, ...others };
  }

  /** The days of one quantity over active minutes; undefined where there are none. */
  function dayFigures(time, values) {
    if (values.length === 0) return undefined;
    let [day, ofDay, peakDay, peak] = [-Infinity, 0, 0, -1];
    let [window, oldest, rolling, rollingEnd] = [0, 0, -1, 0];
    for (let index = 0; index < values.length; index += 1) {
      const today = Math.floor(time[index] / MINUTES_OF_DAY);
      ofDay = today === day ? ofDay + values[index] : values[index];
      day = today;
      // Its last minute has all of a day; of equal days the earliest counts, so a later one must be larger.
      if (ofDay > peak) {
        peak = ofDay;
        peakDay = day;
      }
      window += values[index];
      while (time[index] - time[oldest] >= MINUTES_OF_DAY) {
        window -= values[oldest];
        oldest += 1;
      }
      if (window > rolling) {
        rolling = window;
        rollingEnd = time[index];
      }
    }
    return {
      peak: safe(peak),
      peak_day: timeText(SECONDS_OF_MINUTE * MINUTES_OF_DAY * peakDay),
      rolling_24h: safe(rolling),
      rolling_24h_end: timeText(SECONDS_OF_MINUTE * rollingEnd),
    };
  }

  function setKnown(object, name, value) {
    if (value !== undefined) object[name] = value;
  }

  // ------------------------------------------------------------------------------- coverage and its gaps

  /** Units since 1970 that begin before this exclusive end. */
  function unitsUntil(moment, seconds) {
    const isInside = moment.seconds % seconds !== 0 || moment.nanos > 0;
    return Math.floor(moment.seconds / seconds) + (isInside ? 1 : 0);
  }

  /** The hours of a span that should hold objects, [start, end). */
  function spanHours(hours, from, to) {
    const [first, last] = hours.length > 0 ? [hours[0], hours[hours.length - 1]] : [0, 0];
    const start = from === null ? first : Math.floor(from.seconds / SECONDS_OF_HOUR);
    const end = to === null ? last + 1 : unitsUntil(to, SECONDS_OF_HOUR);
    return [start, Math.max(start, end)];
  }

  /** The hours without objects, as half-open ranges. */
  function spanGaps(hours, from, to) {
    const [start, end] = spanHours(hours, from, to);
    const gaps = [];
    let next = start;
    for (let index = lowerBound(hours, start); index < hours.length && hours[index] < end; index += 1) {
      if (next < hours[index]) gaps.push([next, hours[index]]);
      next = hours[index] + 1;
    }
    if (next < end) gaps.push([next, end]);
    return gaps;
  }

  /** The hours that are in both lists of ranges. */
  function intersect(a, b) {
    const common = [];
    let [i, j] = [0, 0];
    while (i < a.length && j < b.length) {
      const start = Math.max(a[i][0], b[j][0]);
      const end = Math.min(a[i][1], b[j][1]);
      if (start < end) common.push([start, end]);
      if (a[i][1] <= b[j][1]) i += 1;
      else j += 1;
    }
    return common;
  }

  /** As `health.coverage`, but for the names, which the report has in the same order. */
  function coverageFigures(spans, from, to) {
    return spans.map((hours) => {
      const [start, end] = spanHours(hours, from, to);
      const gaps = spanGaps(hours, from, to);
      const hourText = (hour) => timeText(SECONDS_OF_HOUR * hour);
      return {
        hours: end - start,
        hours_with_objects: lowerBound(hours, end) - lowerBound(hours, start),
        gaps: gaps.map(([first, after]) => ({ from: hourText(first), to: hourText(after) })),
      };
    });
  }

  /** The minutes of a range outside of the gaps that all sources of a group share. */
  class OutsideGaps {
    constructor(spans, from, to, range) {
      this.gapsOf = (span) => spanGaps(spans[span], from, to);
      this.range = range;
      this.gaps = new Map();
      this.minutes = new Map();
    }

    /** `sources` are the entries of the cube's coverage, ascending. */
    of(sources) {
      if (this.range === null) return 0;
      const key = sources.join();
      if (!this.minutes.has(key)) this.minutes.set(key, this.count(sources));
      return this.minutes.get(key);
    }

    count(sources) {
      let common = null;
      for (const source of sources) {
        const gaps = this.gapsOfSource(source);
        common = common === null ? gaps : intersect(common, gaps);
      }
      const { start, end } = this.range;
      let minutes = end - start;
      for (const [first, after] of common ?? []) {
        const low = Math.max(MINUTES_OF_HOUR * first, start);
        const high = Math.min(MINUTES_OF_HOUR * after, end);
        minutes -= Math.max(high - low, 0);
      }
      return minutes;
    }

    /** A source that claims no hours has no gaps. */
    gapsOfSource(source) {
      if (source === 0) return [];
      if (!this.gaps.has(source)) this.gaps.set(source, this.gapsOf(source - 1));
      return this.gaps.get(source);
    }
  }

  // ------------------------------------------------------------------------------------------ a selection

  /** The later of two moments, either of which may be null: there is none. */
  function laterOf(a, b) {
    if (a === null || b === null) return a ?? b;
    return isBefore(a, b) ? b : a;
  }

  function earlierOf(a, b) {
    if (a === null || b === null) return a ?? b;
    return isBefore(a, b) ? a : b;
  }

  function isBefore(a, b) {
    return a.seconds < b.seconds || (a.seconds === b.seconds && a.nanos < b.nanos);
  }

  /** The start of an hour as a moment; null for none. */
  function momentOfHour(hour) {
    if (hour === null || hour === undefined) return null;
    if (!Number.isSafeInteger(hour)) throw new Error("an hour is a whole number");
    return { seconds: SECONDS_OF_HOUR * hour, nanos: 0 };
  }

  /** Whether each group has one of the chosen values in every dimension that is chosen. */
  function admittedGroups(cube, filter) {
    const chosen = Object.entries(filter ?? {}).map(([dimension, values]) => {
      const position = cube.dimensions.indexOf(dimension);
      if (position < 0) throw new Error("the cube does not have the dimension that is filtered");
      return [position, new Set(values)];
    });
    return cube.groups.map((key) => chosen.every(([position, values]) => values.has(key[position])));
  }

  /**
   * The cells that are chosen: `members` are the groups that have some, with their cells [from, to).
   * `isEverything`: no group with cells in these hours is left out.
   */
  function chooseCells(cube, choice) {
    const from = laterOf(momentOfHour(choice.from), cube.asked.from);
    const to = earlierOf(momentOfHour(choice.to), cube.asked.to);
    const { hours, cells } = cube;
    const firstHour = from === null ? 0 : lowerBound(hours, Math.floor(from.seconds / SECONDS_OF_HOUR));
    const lastHour = to === null ? hours.length : lowerBound(hours, unitsUntil(to, SECONDS_OF_HOUR));
    const endHour = Math.max(firstHour, lastHour);
    const admitted = admittedGroups(cube, choice.filter);
    const members = [];
    let isEverything = true;
    for (let group = 0; group < cube.groups.length; group += 1) {
      const [start, end] = [cells.start[group], cells.start[group + 1]];
      const first = lowerBound(cells.hour, firstHour, start, end);
      const after = lowerBound(cells.hour, endHour, first, end);
      if (first === after) continue;
      if (admitted[group]) members.push({ group, from: first, to: after });
      else isEverything = false;
    }
    return { from, to, firstHour, endHour, members, isEverything };
  }

  /** The slots of a member that lie in the chosen hours with all of their cells, or null if one is cut. */
  function wholeSlots(cube, member) {
    const { start, firstCell } = cube.slots;
    const [first, after] = [start[member.group], start[member.group + 1]];
    const from = lowerBound(firstCell, member.from, first, after);
    const to = lowerBound(firstCell, member.to, from, after);
    const startsWhole = from < after && firstCell[from] === member.from;
    const endsWhole = to === after ? member.to === cube.cells.start[member.group + 1] : firstCell[to] === member.to;
    return startsWhole && endsWhole ? [from, to] : null;
  }

  /** The sums of some cells, to be added up further. */
  class Sums {
    constructor(cube) {
      this.counters = new Float64Array(COUNTERS.length);
      this.kinds = new Float64Array(cube.kinds.length);
      this.errors = new Map();
      this.status = new Map();
      this.stopReasons = new Map();
      this.sources = new Set();
    }

    static ofCells(cube, from, to) {
      const sums = new Sums(cube);
      cube.counters.forEach((column, index) => {
        sums.counters[index] = sumOf(column, from, to);
      });
      cube.kinds.forEach((kind, index) => {
        sums.kinds[index] = sumOf(kind.requests, from, to);
      });
      addNamed(sums.errors, cube.errors, from, to);
      addNamed(sums.status, cube.status, from, to);
      addNamed(sums.stopReasons, cube.stopReasons, from, to);
      const { start, span } = cube.coverage;
      for (let index = start[from]; index < start[to]; index += 1) sums.sources.add(span[index]);
      return sums;
    }

    add(other) {
      other.counters.forEach((count, index) => {
        this.counters[index] = safe(this.counters[index] + count);
      });
      other.kinds.forEach((count, index) => {
        this.kinds[index] = safe(this.kinds[index] + count);
      });
      for (const field of ["errors", "status", "stopReasons"]) {
        other[field].forEach((count, name) => addTo(this[field], name, count));
      }
      other.sources.forEach((source) => this.sources.add(source));
    }

    /** By name. */
    counter(name) {
      return this.counters[COUNTERS.indexOf(name)];
    }

    /** Ascending. */
    sourceList() {
      return [...this.sources].sort((a, b) => a - b);
    }
  }

  function sumOf(column, from, to) {
    let sum = 0;
    for (let index = from; index < to; index += 1) sum += column[index];
    return safe(sum);
  }

  function addTo(map, key, count) {
    map.set(key, safe((map.get(key) ?? 0) + count));
  }

  function addNamed(map, named, from, to) {
    for (let index = named.start[from]; index < named.start[to]; index += 1) {
      addTo(map, named.name[index], named.requests[index]);
    }
  }

  /** Counts by name as an object, in the order of names. */
  function namedCounts(cube, map) {
    const entries = [...map].map(([name, count]) => [cube.names[name], count]);
    entries.sort(([a], [b]) => compareTexts(a, b));
    const counts = countsObject();
    for (const [name, count] of entries) counts[name] = count;
    return counts;
  }

  /** The active minutes of a member: views of the columns, but `time`, in minutes since 1970. */
  function minutesOfMember(cube, member) {
    const { start, place } = cube.minutes;
    const [from, to] = [start[member.from], start[member.to]];
    const minutes = { time: new Float64Array(to - from) };
    for (let index = from; index < to; index += 1) minutes.time[index - from] = timeOfPlace(cube, place[index]);
    for (const quantity of QUANTITIES) minutes[quantity] = cube.minutes[quantity].subarray(from, to);
    return minutes;
  }

  function timeOfPlace(cube, place) {
    const minute = place % MINUTES_OF_HOUR;
    return MINUTES_OF_HOUR * cube.hours[(place - minute) / MINUTES_OF_HOUR] + minute;
  }

  /** The active minutes of all members together, and their throttles. */
  function minutesTogether(cube, chosen) {
    const origin = MINUTES_OF_HOUR * chosen.firstHour;
    const places = MINUTES_OF_HOUR * (chosen.endHour - chosen.firstHour);
    const dense = [0, 1, 2, 3, 4].map(() => new Float64Array(places));
    const [attempts, tokens, settled, reserved, throttled] = dense;
    const { start, place } = cube.minutes;
    for (const { from, to } of chosen.members) {
      for (let index = start[from]; index < start[to]; index += 1) {
        const at = place[index] - origin;
        attempts[at] += cube.minutes.attempts[index];
        tokens[at] += cube.minutes.tokens[index];
        settled[at] += cube.minutes.settled[index];
        reserved[at] += cube.minutes.reserved[index];
      }
      for (let index = cube.throttles.start[from]; index < cube.throttles.start[to]; index += 1) {
        throttled[cube.throttles.place[index] - origin] += cube.throttles.throttled[index];
      }
    }
    // A minute is active where something was attempted.
    const active = placesAbove(attempts);
    const time = new Float64Array(active.length);
    for (let index = 0; index < active.length; index += 1) time[index] = timeOfPlace(cube, origin + active[index]);
    const [ofAttempts, ofTokens, ofSettled, ofReserved, ofThrottled] = dense.map((column) => pick(column, active));
    return {
      time, attempts: ofAttempts, tokens: ofTokens, settled: ofSettled, reserved: ofReserved, throttled: ofThrottled,
    };
  }

  /** The places of a column whose values are not 0. */
  function placesAbove(column) {
    const places = new Growing(Uint32Array);
    for (let at = 0; at < column.length; at += 1) if (column[at] > 0) places.push(at);
    return places.finish();
  }

  function pick(column, places) {
    const picked = new Float64Array(places.length);
    for (let index = 0; index < places.length; index += 1) picked[index] = column[places[index]];
    return picked;
  }

  /**
   * The largest windows of some cells by quantity: 60, 10 and 1 seconds. `offset` is where the cells begin in the
   * columns; `hourOf` is the hour of a cell, and windows that end at `endHour` or later are not among the chosen.
   */
  function windowsOf(cube, offset, from, to, hourIndexOf, endHour) {
    const largest = new Float64Array(INNER_WINDOWS);
    for (let cell = from; cell < to; cell += 1) {
      for (let window = 0; window < INNER_WINDOWS; window += 1) {
        largest[window] = Math.max(largest[window], cube.windows[window][offset + cell]);
      }
      if (!nextHourIsChosen(cube, hourIndexOf(cell), endHour)) continue;
      for (let window = 0; window < CROSSING_WINDOWS; window += 1) {
        const crossing = cube.windows[INNER_WINDOWS + window][offset + cell];
        largest[window] = Math.max(largest[window], crossing);
      }
    }
    const byQuantity = {};
    QUANTITIES.forEach((quantity, index) => {
      byQuantity[quantity] = [0, 1, 2].map((window) => largest[QUANTITIES.length * window + index]);
    });
    return byQuantity;
  }

  /** A window across the end of an hour counts if the hour after it is there and is chosen, too. */
  function nextHourIsChosen(cube, hourIndex, endHour) {
    return hourIndex + 1 < endHour && cube.hours[hourIndex + 1] === cube.hours[hourIndex] + 1;
  }

  /** The windows of a member. */
  function windowsOfMember(cube, chosen, member) {
    const hourIndexOf = (cell) => cube.cells.hour[cell];
    return windowsOf(cube, cube.hoursOfAll, member.from, member.to, hourIndexOf, chosen.endHour);
  }

  /** The windows of all members together; null where they are neither everything nor one. */
  function windowsTogether(cube, chosen) {
    if (chosen.members.length === 1) return windowsOfMember(cube, chosen, chosen.members[0]);
    if (chosen.members.length > 0 && !(chosen.isEverything && cube.hoursOfAll > 0)) return null;
    return windowsOf(cube, 0, chosen.firstHour, chosen.members.length > 0 ? chosen.endHour : chosen.firstHour,
      (hour) => hour, chosen.endHour);
  }

  /** What the figures of a group, or of the totals, are taken from, and those that were taken already. */
  class Parts {
    constructor(sums, minutes, windows) {
      this.sums = sums;
      this.minutes = minutes;
      this.windows = windows;
      this.taken = new Map();
    }

    static ofMember(cube, chosen, member) {
      const sums = Sums.ofCells(cube, member.from, member.to);
      return new Parts(sums, minutesOfMember(cube, member), windowsOfMember(cube, chosen, member));
    }

    /** What `compute` gives, computed once. */
    take(name, compute) {
      if (!this.taken.has(name)) this.taken.set(name, compute());
      return this.taken.get(name);
    }
  }

  /**
   * The parts of groups that were asked for last: a filter changes which groups are chosen, and seldom of which hours.
   */
  class Memory {
    constructor() {
      this.groups = new Map();
    }

    partsOf(cube, chosen, member) {
      const { group, from, to } = member;
      // The end of the range decides whether windows across the end of the last hour count.
      const { endHour } = chosen;
      const known = this.groups.get(group);
      if (known && known.from === from && known.to === to && known.endHour === endHour) return known.parts;
      const parts = Parts.ofMember(cube, chosen, member);
      this.groups.set(group, { from, to, endHour, parts });
      return parts;
    }
  }

  /** `slots` are null where distributions cannot be told. */
  function figuresOf(cube, desk, parts, slots) {
    const { sums, minutes, windows } = parts;
    const of = (name) => sums.counter(name);
    const figures = {
      requests: {
        attempted: of("attempted"),
        successful: of("successful"),
        throttled: of("throttled"),
        errors: namedCounts(cube, sums.errors),
      },
      statistics: statistics(of),
      tokens: tokens(of),
      tokens_on_errors: { input: of("errorInput"), output: of("errorOutput") },
      high_token: {
        threshold: HIGH_TOKEN_THRESHOLD,
        by_input: requestsAndShare(of("above25000ByInput"), of("inputKnown")),
        by_prompt: requestsAndShare(of("above25000ByPrompt"), of("inputKnown")),
      },
      input_bands: {
        below_1000: of("below1000"),
        from_1000_to_25000: Math.max(of("inputKnown") - of("below1000") - of("above25000ByInput"), 0),
        above_25000: of("above25000ByInput"),
      },
    };
    if (slots !== null) {
      figures.distributions = parts.take("distributions", () => distributions(cube, desk.spread, slots));
    }
    const outsideGaps = desk.outsideGaps.of(sums.sourceList());
    const perMinute = (quantity) => {
      const ofQuantity = windows === null ? null : windows[quantity];
      const taken = parts.take(quantity, () => minuteFigures(minutes.time, minutes[quantity], ofQuantity));
      return withAverageAll(taken, outsideGaps);
    };
    setKnown(figures, "tokens_per_minute", perMinute("tokens"));
    if (of("settledKnown") > 0) setKnown(figures, "quota_tokens_per_minute", perMinute("settled"));
    if (of("reservedKnown") > 0) setKnown(figures, "reserved_tokens_per_minute", perMinute("reserved"));
    if (of("settledKnown") > 0) {
      const days = parts.take("days", () => dayFigures(minutes.time, minutes.settled));
      setKnown(figures, "quota_tokens_per_day", days);
    }
    setKnown(figures, "requests_per_minute", perMinute("attempts"));
    figures.responses = {
      status: namedCounts(cube, sums.status),
      stop_reason: namedCounts(cube, sums.stopReasons),
    };
    figures.payloads = payloads(cube, sums);
    if (slots !== null) {
      figures.cross_region = parts.take("cross_region", () => crossRegion(cube, desk.spread, slots));
    }
    return figures;
  }

  function statistics(of) {
    const statistics = {
      total_requests: of("successful"),
      total_input_tokens: of("input"),
      total_output_tokens: of("output"),
    };
    setKnown(statistics, "average_input_tokens_per_request", quotient(of("input"), of("inputKnown")));
    setKnown(statistics, "average_output_tokens_per_request", quotient(of("output"), of("outputKnown")));
    return statistics;
  }

  function tokens(of) {
    return {
      input: of("input"),
      output: of("output"),
      cache_read: of("cacheRead"),
      cache_write: of("cacheWrite"),
      prompt: of("prompt"),
      input_known: of("inputKnown"),
      output_known: of("outputKnown"),
      settled: of("settled"),
      settled_known: of("settledKnown"),
      reserved: of("reserved"),
      reserved_known: of("reservedKnown"),
    };
  }

  function requestsAndShare(requests, known) {
    const share = { requests };
    setKnown(share, "share", quotient(requests, known));
    return share;
  }

  function payloads(cube, sums) {
    const large = {
      input: sums.counter("largeInput"),
      output: sums.counter("largeOutput"),
      requests: sums.counter("largeEither"),
    };
    setKnown(large, "share", quotient(large.requests, sums.counter("attempted")));
    large.bytes = sums.counter("largeBytes");
    const content = countsObject();
    cube.kinds.forEach((kind, index) => {
      if (sums.kinds[index] > 0) content[kind.name] = sums.kinds[index];
    });
    return { large, content };
  }

  /** By name; what has no value is absent. `look` is shown each spread, too, before the next is gathered. */
  function distributions(cube, spread, slots, look = () => {}) {
    const distributions = {};
    SPREADS.forEach((name, index) => {
      const numbers = slots.map((slot) => cube.spreads.base[slot] + index);
      spread.gather(cube.spreads, numbers);
      setKnown(distributions, name, spread.figures());
      if (spread.count > 0) look(name, spread);
    });
    return distributions;
  }

  function crossRegion(cube, spread, slots) {
    const { inferenceStart, inferenceName, inferenceRequests, inferenceSpread } = cube.spreads;
    const byName = new Map();
    for (const slot of slots) {
      for (let index = inferenceStart[slot]; index < inferenceStart[slot + 1]; index += 1) {
        const name = inferenceName[index];
        if (!byName.has(name)) byName.set(name, { requests: 0, latency: [] });
        const entry = byName.get(name);
        entry.requests = safe(entry.requests + inferenceRequests[index]);
        entry.latency.push(inferenceSpread[index]);
      }
    }
    const regions = [...byName].map(([name, entry]) => [cube.names[name], entry]);
    regions.sort(([a], [b]) => compareTexts(a, b));
    const figures = countsObject();
    for (const [name, { requests, latency }] of regions) {
      figures[name] = { requests };
      setKnown(figures[name], "latency_ms", spread.gather(cube.spreads, latency).figures());
      const firstByte = latency.map((number) => number + 1);
      setKnown(figures[name], "first_byte_ms", spread.gather(cube.spreads, firstByte).figures());
    }
    return figures;
  }

  // -------------------------------------------------------------------------------------------- rankings

  /**
   * One ranking over whole slots, or null where it cannot be told: what was cut off has no values, and a choice
   * may hold some of it that a fresh run would show. `peak` is the largest minute, null for none, undefined where
   * it cannot be told.
   */
  function rankingOf(cube, ranking, slots, total, isWhole, peak) {
    const sums = new Map();
    const { start, value } = ranking.sums;
    for (const slot of slots) {
      for (let index = start[slot]; index < start[slot + 1]; index += 1) {
        addRank(sums, value[index], ranking.sums, index);
      }
    }
    const rest = ranking.omitted > 0 ? ranking.values.length - 1 : -1;
    if (sums.has(rest) && !isWhole) return null;
    const omitted = sums.has(rest) ? ranking.omitted : 0;
    sums.delete(rest);
    const rows = [...sums].map(([index, rank]) => ({ value: ranking.values[index], index, ...rank }));
    const loadOf = (row) => (total.isSettled ? row.settled : safe(row.input + row.output));
    rows.sort((a, b) =>
      loadOf(b) - loadOf(a) || b.attempted - a.attempted || compareTexts(a.value, b.value));
    const figures = rows.map((row) => {
      const { value: name, attempted, throttled, input, output, settled } = row;
      const figure = { value: name, attempted, throttled, input, output, settled };
      setKnown(figure, "share", quotient(loadOf(row), total.load));
      if (peak) setKnown(figure, "share_in_peak", quotient(peak.loads.get(row.index) ?? 0, peak.total));
      return figure;
    });
    return { dimension: ranking.dimension, rows: figures, omitted };
  }

  function addRank(sums, value, columns, index) {
    if (!sums.has(value)) sums.set(value, { attempted: 0, throttled: 0, input: 0, output: 0, settled: 0 });
    const rank = sums.get(value);
    for (const field of Object.keys(rank)) rank[field] = safe(rank[field] + columns[field][index]);
  }

  /** The largest of the peak minutes of some slots, with its loads by value; null where there is none. */
  function peakOf(peaks, from, to) {
    let largest = -1;
    for (let slot = from; slot < to; slot += 1) {
      if (peaks.minute[slot] < 0) continue;
      // Slots ascend: of equal minutes the earliest stays.
      if (largest < 0 || peaks.total[slot] > peaks.total[largest]) largest = slot;
    }
    if (largest < 0) return null;
    const loads = new Map();
    for (let index = peaks.start[largest]; index < peaks.start[largest + 1]; index += 1) {
      loads.set(peaks.value[index], peaks.load[index]);
    }
    return { total: peaks.total[largest], loads };
  }

  /** Which slots of which peaks hold the largest minute of the choice; null where it cannot be told. */
  function peakSlots(cube, chosen, isSettled) {
    const { members, firstHour, endHour } = chosen;
    const settledKnown = cube.counters[COUNTERS.indexOf("settledKnown")];
    if (members.length === 1) {
      const { group } = members[0];
      const [from, to] = [cube.cells.start[group], cube.cells.start[group + 1]];
      // Peaks were taken by what is known in the whole run.
      if (sumOf(settledKnown, from, to) > 0 !== isSettled) return null;
      const slots = wholeSlots(cube, members[0]);
      return slots === null ? null : { field: "peaks", from: slots[0], to: slots[1] };
    }
    if (!chosen.isEverything || cube.hoursOfAll === 0) return null;
    if (sumOf(settledKnown, 0, settledKnown.length) > 0 !== isSettled) return null;
    const starts = cube.slots.firstHour;
    const from = lowerBound(starts, firstHour);
    const to = lowerBound(starts, endHour);
    const startsWhole = from < starts.length && starts[from] === firstHour;
    const endsWhole = to === starts.length ? endHour === cube.hours.length : starts[to] === endHour;
    return startsWhole && endsWhole ? { field: "peaksOfAll", from, to } : null;
  }

  /** All rankings of the choice, and what of them cannot be told. */
  function rankingsOf(cube, chosen, slots, sums) {
    const withheld = { rankings: false, peakShares: false };
    if (cube.rankings.length === 0) return { rankings: [], withheld };
    if (slots === null) return { rankings: [], withheld: { rankings: true, peakShares: true } };
    const isSettled = sums.counter("settledKnown") > 0;
    const load = isSettled ? sums.counter("settled") : safe(sums.counter("input") + sums.counter("output"));
    const cellCount = chosen.members.reduce((count, { from, to }) => count + to - from, 0);
    const isWhole = cellCount === cube.cells.hour.length;
    const peakAt = slots.length > 0 ? peakSlots(cube, chosen, isSettled) : null;
    withheld.peakShares = slots.length > 0 && peakAt === null;
    const rankings = [];
    for (const ranking of cube.rankings) {
      const peak = peakAt === null ? null : peakOf(ranking[peakAt.field], peakAt.from, peakAt.to);
      const figures = rankingOf(cube, ranking, slots, { isSettled, load }, isWhole, peak);
      if (figures === null) withheld.rankings = true;
      else rankings.push(figures);
    }
    return { rankings, withheld };
  }

  // --------------------------------------------------------------------------------------- the whole answer

  /** One entry for each hour with something counted. */
  function hourRows(cube, chosen) {
    const rows = new Map();
    const columns = Object.fromEntries(COUNTERS.map((name, index) => [name, cube.counters[index]]));
    for (const { from, to } of chosen.members) {
      for (let cell = from; cell < to; cell += 1) {
        const index = cube.cells.hour[cell];
        if (!rows.has(index)) rows.set(index, emptyHour(cube.hours[index]));
        addToHour(rows.get(index), columns, cell);
        addNamed(rows.get(index).errors, cube.errors, cell, cell + 1);
      }
    }
    const ascending = [...rows].sort(([a], [b]) => a - b).map(([, row]) => row);
    for (const row of ascending) row.errors = namedCounts(cube, row.errors);
    return ascending;
  }

  function emptyHour(hour) {
    return {
      hour, attempted: 0, successful: 0, throttled: 0, errors: new Map(), tokens: 0, settled: 0, input: 0,
      output: 0, cacheRead: 0, prompt: 0,
    };
  }

  function addToHour(row, columns, cell) {
    const names = ["attempted", "successful", "throttled", "settled", "input", "output", "cacheRead", "prompt"];
    for (const name of names) row[name] = safe(row[name] + columns[name][cell]);
    row.tokens = safe(row.input + row.output);
  }

  /** The report's range: what was asked or chosen, else from the first to the last active minute. */
  function rangeFigures(chosen, time) {
    const at = (moment, second) => (moment === null ? timeText(second) : timeText(moment.seconds, moment.nanos));
    if (time.length === 0 && (chosen.from === null || chosen.to === null)) return undefined;
    return {
      from: at(chosen.from, SECONDS_OF_MINUTE * time[0]),
      to: at(chosen.to, SECONDS_OF_MINUTE * (time[time.length - 1] + 1)),
    };
  }

  /** All minutes that the range touches; null where an end is neither asked nor known. */
  function minuteRange(chosen, time) {
    if (time.length === 0 && (chosen.from === null || chosen.to === null)) return null;
    const start = chosen.from === null ? time[0] : Math.floor(chosen.from.seconds / SECONDS_OF_MINUTE);
    const end = chosen.to === null ? time[time.length - 1] + 1 : unitsUntil(chosen.to, SECONDS_OF_MINUTE);
    return { start, end: Math.max(start, end) };
  }

  /** The slots of all members, each with all of its cells; null where one is cut. */
  function slotsTogether(cube, members) {
    const slots = [];
    for (const member of members) {
      const range = wholeSlots(cube, member);
      if (range === null) return null;
      for (let slot = range[0]; slot < range[1]; slot += 1) slots.push(slot);
    }
    return slots;
  }

  /** Most attempts first, then by key. */
  function inOrder(groups) {
    return groups.sort((a, b) =>
      b.figures.requests.attempted - a.figures.requests.attempted || compareKeys(a.key, b.key));
  }

  function groupKey(cube, key) {
    const named = countsObject();
    cube.dimensions.forEach((dimension, index) => {
      named[dimension] = key[index];
    });
    return named;
  }

  function select(cube, spread, memory, choice) {
    const chosen = chooseCells(cube, choice);
    const minutes = minutesTogether(cube, chosen);
    const range = minuteRange(chosen, minutes.time);
    const desk = { spread, outsideGaps: new OutsideGaps(cube.spans, chosen.from, chosen.to, range) };
    const slots = slotsTogether(cube, chosen.members);
    const sums = new Sums(cube);
    const groups = chosen.members.map((member) => {
      const parts = memory.partsOf(cube, chosen, member);
      sums.add(parts.sums);
      return { key: cube.groups[member.group], parts, slots: slots === null ? null : slotsTogether(cube, [member]) };
    });
    const windows = windowsTogether(cube, chosen);
    const ranked = rankingsOf(cube, chosen, slots, sums);
    const totals = new Parts(sums, minutes, windows);
    const spreads = {};
    const keep = (name, gathered) => {
      spreads[name] = gathered.buckets();
    };
    if (slots !== null) totals.take("distributions", () => distributions(cube, spread, slots, keep));
    const report = {};
    setKnown(report, "range", rangeFigures(chosen, minutes.time));
    report.totals = figuresOf(cube, desk, totals, slots);
    // Groups by a time, or that do not add up, are not in the cube.
    if (cube.dimensions.length > 0) report.groups = groupFigures(cube, desk, groups);
    if (ranked.rankings.length > 0) report.rankings = ranked.rankings;
    const answer = {
      report,
      withheld: { distributions: slots === null, sliding: windows === null, ...ranked.withheld },
      minutes: { ...minutes, time: minutes.time.map((minute) => SECONDS_OF_MINUTE * minute) },
      hours: hourRows(cube, chosen),
      coverage: coverageFigures(cube.spans, chosen.from, chosen.to),
    };
    if (slots !== null) answer.spreads = spreads;
    return answer;
  }

  function groupFigures(cube, desk, groups) {
    const figured = groups.map(({ key, parts, slots }) => ({ key, figures: figuresOf(cube, desk, parts, slots) }));
    return inOrder(figured).map(({ key, figures }) => ({ key: groupKey(cube, key), ...figures }));
  }

  /** The values of each dimension, in order, for filters. */
  function valuesByDimension(cube) {
    const values = countsObject();
    cube.dimensions.forEach((dimension, index) => {
      values[dimension] = [...new Set(cube.groups.map((key) => key[index]))].sort(compareTexts);
    });
    return values;
  }

  /** The hours with a minute, ascending. */
  function activeHours(cube) {
    const isActive = new Uint8Array(cube.hours.length);
    for (const place of cube.minutes.place) isActive[Math.floor(place / MINUTES_OF_HOUR)] = 1;
    return cube.hours.filter((_, index) => isActive[index] === 1);
  }

  function endsOf(hours) {
    return hours.length > 0 ? { first: hours[0], last: hours[hours.length - 1] } : null;
  }

  /**
   * Opens a cube. What is given back has
   * - `dimensions`: the words of the groups' keys; empty where the groups cannot be told apart;
   * - `values`: by dimension, what there is, null (no value) first;
   * - `hours`: `{first, last}` in hours since 1970, both included, or null where nothing was counted; times that
   *   are left out of series as outliers are among them, but not among `activeHours`, which is of the same form;
   * - `slotHours`: distributions and rankings are known for whole slots of so many hours, 0: for all hours;
   * - `select({from, to, filter})`: the answer for the hours from `from` up to, not including, `to` (null: not
   *   chosen) and the groups whose values are in `filter[dimension]` (a missing dimension admits all):
   *   `{report, withheld, minutes, hours, spreads, coverage}`. The report has `range`, `totals`, `groups` and
   *   `rankings`; its decimals are texts. Entries of `coverage` are those of `health.coverage`, in its order,
   *   without the names. Answers are to be read, not changed: they share figures with later ones.
   *
   * @throws {Error} on anything that is not a cube.
   */
  async function open(base64Text) {
    const cube = readCube(await unpack(base64Text));
    const spread = new Spread();
    const memory = new Memory();
    return Object.freeze({
      dimensions: cube.dimensions,
      values: valuesByDimension(cube),
      hours: endsOf(cube.hours),
      activeHours: endsOf(activeHours(cube)),
      slotHours: cube.slotHours,
      select: (choice) => select(cube, spread, memory, choice ?? {}),
    });
  }

  return Object.freeze({ open });
})();
