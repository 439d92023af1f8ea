// What the reader of a report page sees and touches.
//
// In: the report's JSON in #report, and, where there is one, the cube in #cube through `Borehole.open` (engine.js).
// Out: figures, charts, tables and filters in the document. Always: every figure is of the embedded report or of
// what the engine answered, never of an earlier choice; strings reach the document as text only, with invisible
// characters written out; times are UTC unless the reader switched; an unknown is marked, never 0. Absent: requests,
// storage that is needed (the look is remembered where a browser lets us), sums that the engine gives.

"use strict";
(() => {
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
// Cards, rows and values that are shown before the reader asks for all: about a screen of each.
const CARDS_SHOWN = 6;
const ROWS_SHOWN = 10;
// Rows of a table behind a chart: more make a page slow, and CSV has them all.
const TABLE_ROWS_MAX = 300;
const MENU_VALUES_MAX = 200;
const ERROR_SERIES_MAX = 5;
const QUOTA_DIMENSIONS = ["account", "region", "model", "scope"];
const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const element = (id) => document.getElementById(id);
const root = document.documentElement;

// ---- numbers, as the text report writes them

// The quotient of two integers, ties to even.
function rounded(numerator, denominator) {
  const floor = Math.floor(numerator / denominator);
  const rest = numerator - floor * denominator;
  const complement = denominator - rest;
  return floor + (rest > complement || (rest === complement && floor % 2 === 1) ? 1 : 0);
}

const thousands = (value) => value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ",");
const counted = (count, noun) => `${thousands(count)} ${noun}${count === 1 ? "" : "s"}`;

// 9,120 · 12.4k · 1.24M: whole up to four digits, else three significant ones.
function short(value) {
  if (value <= 9999) return thousands(value);
  for (const [unit, suffix] of [[1e3, "k"], [1e6, "M"], [1e9, "B"], [1e12, "T"]]) {
    for (const [decimals, scale] of [[2, 100], [1, 10], [0, 1]]) {
      const scaled = rounded(value, unit / scale);
      if (scaled < 1000) return (scaled / scale).toFixed(decimals) + suffix;
    }
  }
  return thousands(rounded(value, 1e12)) + "T";
}

// An average: whole, but with one decimal below 100.
function average(decimal) {
  if (decimal === undefined) return "–";
  const value = Number(decimal);
  if (value >= 100) return short(rounded(Math.round(value * 1e6), 1e6));
  return String(rounded(Math.round(value * 1e6), 1e5) / 10);
}

function percent(part, whole) {
  if (!(whole > 0)) return "–";
  if (part === 0) return "0 %";
  if (part === whole) return "100 %";
  const tenths = rounded(part * 1000, whole);
  if (tenths === 0) return "<0.1 %";
  return `${(part < whole ? Math.min(tenths, 999) : tenths) / 10} %`;
}

// A part of a whole that is given as a decimal of six digits.
const share = (decimal) => decimal === undefined ? "–" : percent(Math.round(Number(decimal) * 1e6), 1e6);

function duration(ms) {
  if (ms < 100) return `${ms} ms`;
  const tenths = rounded(ms, 100);
  return tenths < 100 ? `${(tenths / 10).toFixed(1)} s` : `${thousands(rounded(ms, 1000))} s`;
}

function bytes(count) {
  if (count < 1000) return `${count} B`;
  const text = count <= 9999 ? `${(rounded(count, 10) / 100).toFixed(2)}k` : short(count);
  return `${text.slice(0, -1)} ${text.slice(-1).replace("B", "G")}B`;
}

// A number on an axis: 2.50M is 2.5M there.
const tick = (value) => short(value).replace(/\.(\d*?)0+([kMBT])$/, (_, digits, unit) => (digits ? "." + digits : "") + unit);

// ---- times

let local = false;
const seconds = (text) => Date.parse(text) / 1000;
const pad = (number) => String(number).padStart(2, "0");

function clock(time) {
  const date = new Date(time * 1000);
  const shifted = local ? new Date(date.getTime() - date.getTimezoneOffset() * 60000) : date;
  const [year, month, day] = [shifted.getUTCFullYear(), shifted.getUTCMonth(), shifted.getUTCDate()];
  const [hour, minute, second] = [shifted.getUTCHours(), shifted.getUTCMinutes(), shifted.getUTCSeconds()];
  return { year, month, day, hour, minute, second, weekday: (shifted.getUTCDay() + 6) % 7 };
}

function dateOf(time) {
  const { year, month, day } = clock(time);
  return `${year}-${pad(month + 1)}-${pad(day)}`;
}

function timeOf(time) {
  const { hour, minute, second } = clock(time);
  return `${pad(hour)}:${pad(minute)}${second ? ":" + pad(second) : ""}`;
}

const stamp = (time) => `${dateOf(time)} ${timeOf(time)}`;
// Without the year, which the range at the top says.
const moment = (time) => stamp(time).slice(5);
const zoneName = () => local ? "local time" : "UTC";
const isoUtc = (time) => new Date(time * 1000).toISOString().replace(".000", "");

// ---- the document

function make(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const paragraph = (text, className = "") => make("p", { className, textContent: text });

function drawing(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// A string from the logs with what hides or reorders text written out.
function visible(text) {
  const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\\]|\p{M}{3,}/gu;
  const written = (character) => {
    const code = character.codePointAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  };
  return text.replace(hidden, (found) => Array.from(found, written).join(""));
}

const nameText = (text) => text === null || text === undefined ? "–" : visible(text) || "(empty)";
const nameOf = (text, shownAs = text) => make("span", { className: "name", textContent: nameText(shownAs), title: nameText(text) });

function swatch(colour) {
  const node = make("i", { className: "swatch" });
  node.style.background = `var(--${colour})`;
  return node;
}

// A bar of a part (0…1) of its rod.
function bar(part, colour = "settled") {
  const node = make("i", {});
  node.style.width = `${Math.min(1, part) * 100}%`;
  node.style.background = `var(--${colour})`;
  return node;
}

// ---- tables and CSV behind a figure

// A cell is a number, a text or nothing. A text that a spreadsheet would run is made one that it shows.
function csvCell(cell) {
  if (cell === null || cell === undefined) return "";
  if (typeof cell === "number") return String(cell);
  const text = cell.replace(/\0/g, "\\x00");
  const guarded = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(text) ? "'" + text : text;
  return `"${guarded.replace(/"/g, '""')}"`;
}

const csv = (columns, rows) => [columns, ...rows].map((row) => row.map(csvCell).join(",") + "\r\n").join("");

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = make("textarea", { value: text, className: "hidden" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

function table(columns, rows) {
  const isNumber = columns.map((_, at) => rows.some((row) => typeof row[at] === "number"));
  const cell = (tag, content, at) => {
    const node = make(tag, { className: isNumber[at] ? "number" : "" });
    if (content instanceof Node) node.append(content);
    else if (typeof content === "number") node.textContent = Number.isInteger(content) ? thousands(content) : String(content);
    else if (content) node.append(nameOf(content));
    if (tag === "th") node.scope = "col";
    return node;
  };
  const line = (row, tag) => make("tr", {}, ...columns.map((_, at) => cell(tag, row[at], at)));
  return make("table", {}, make("thead", {}, line(columns, "th")), make("tbody", {}, ...rows.map((row) => line(row, "td"))));
}

// Tables that the reader opened stay open when the figures change.
const openTables = new Set();

// `rows` are made when they are asked for; `largest` is the column by which a table that is cut keeps its rows.
function attachData(figure, columns, rows, { largest, hasTable = true } = {}) {
  const details = make("details", { className: "data", open: openTables.has(figure.id) });
  const scroll = make("div", { className: "scroll", tabIndex: 0 });
  const fill = () => {
    if (!details.open || scroll.firstChild) return;
    const all = rows();
    let some = all;
    if (all.length > TABLE_ROWS_MAX) {
      some = largest === undefined ? all : [...all].sort((a, b) => b[largest] - a[largest]);
      some = some.slice(0, TABLE_ROWS_MAX);
      scroll.append(paragraph(`The ${largest === undefined ? "first" : "largest"} ${TABLE_ROWS_MAX} of ${thousands(all.length)} rows; the CSV has them all.`, "note"));
    }
    scroll.append(table(columns, some));
  };
  details.append(make("summary", { textContent: "Table" }), scroll);
  details.addEventListener("toggle", () => {
    if (details.open) openTables.add(figure.id); else openTables.delete(figure.id);
    fill();
  });
  fill();
  const button = make("button", { type: "button", textContent: "Copy as CSV" });
  button.addEventListener("click", async () => {
    button.textContent = await copy(csv(columns, rows())) ? "Copied" : "Could not copy";
    setTimeout(() => { button.textContent = "Copy as CSV"; }, 2000);
  });
  figure.append(make("div", { className: "tools" }, hasTable ? details : null, button));
}

// The figure without what was drawn before.
function cleared(id) {
  const figure = element(id);
  while (figure.lastElementChild.tagName !== "FIGCAPTION") figure.lastElementChild.remove();
  figure.classList.remove("withheld");
  return figure;
}

function withhold(figure, reason) {
  figure.classList.add("withheld");
  figure.append(paragraph(reason, "why-not"));
}

// The first rows, and a button for the rest.
function unfold(parent, items, shown, noun) {
  parent.append(...items.slice(0, shown));
  if (items.length <= shown) return null;
  const button = make("button", { type: "button", className: "more", textContent: `Show all ${thousands(items.length)} ${noun}` });
  button.addEventListener("click", () => {
    parent.append(...items.slice(shown));
    button.remove();
  });
  return button;
}

// ---- what is shown: the embedded report, or what the engine answers

const embedded = JSON.parse(element("report").textContent);
let cube = null;
// What the engine answers when nothing is chosen.
let whole = null;
let noCube = "";
const choice = { from: null, to: null, filter: {} };
// What every figure below is drawn from.
let view = null;

const isChosen = () => choice.from !== null || choice.to !== null || Object.keys(choice.filter).length > 0;
const nothingWithheld = { distributions: false, sliding: false, rankings: false, peakShares: false };

function look() {
  const answer = cube && (isChosen() ? cube.select(choice) : whole);
  const report = answer && isChosen() ? { ...embedded, groups: [], groups_omitted: 0, rankings: [], ...answer.report } : embedded;
  view = {
    report,
    withheld: answer && isChosen() ? answer.withheld : nothingWithheld,
    chosen: isChosen(),
    series: answer ? minuteSeries(answer.minutes) : pointSeries(embedded.totals),
    hours: answer ? answer.hours : pointHours(embedded.totals),
    hasErrorsByHour: Boolean(answer),
    spreads: answer ? answer.spreads : null,
    // The engine tells hours and gaps, in the order of the report, which has the names.
    coverage: embedded.health.coverage.map((entry, at) => answer && isChosen() ? { ...entry, ...answer.coverage[at] } : entry),
    range: rangeOf(report),
  };
}

function minuteSeries({ time, attempts, tokens, settled, reserved, throttled }) {
  return { step: MINUTE, unit: "minute", time, attempts, tokens, settled, reserved, throttled };
}

// The series of a report that was made with --series; null where it has none.
function pointSeries(totals) {
  const lists = {
    attempts: totals.requests_per_minute, tokens: totals.tokens_per_minute,
    settled: totals.quota_tokens_per_minute, reserved: totals.reserved_tokens_per_minute,
  };
  const points = Object.values(lists).find((list) => list && list.data_points && list.data_points.length);
  if (!points) return null;
  const unit = ["minute", "hour", "day"].find((word) => points.data_points[0][word]);
  const timed = (point) => seconds(point[unit]);
  const times = Array.from(new Set(Object.values(lists).flatMap((list) => (list && list.data_points || []).map(timed)))).sort((a, b) => a - b);
  const at = new Map(times.map((time, index) => [time, index]));
  const series = { unit, step: { minute: MINUTE, hour: HOUR, day: DAY }[unit], time: Float64Array.from(times) };
  for (const [name, list] of Object.entries(lists)) {
    series[name] = new Float64Array(times.length);
    for (const point of list && list.data_points || []) {
      series[name][at.get(timed(point))] = point.tokens === undefined ? point.requests : point.tokens;
    }
  }
  return series;
}

function pointHours(totals) {
  const series = pointSeries(totals);
  if (!series || series.unit === "day") return null;
  const hours = new Map();
  series.time.forEach((time, at) => {
    const hour = Math.floor(time / HOUR);
    const sums = hours.get(hour) || { hour, attempted: 0, tokens: 0, settled: 0 };
    sums.attempted += series.attempts[at];
    sums.tokens += series.tokens[at];
    sums.settled += series.settled[at];
    hours.set(hour, sums);
  });
  return [...hours.values()];
}

// First and last second of what is shown, in whole hours.
function rangeOf(report) {
  const from = report.range ? Math.floor(seconds(report.range.from) / HOUR) * HOUR : null;
  const to = report.range ? Math.ceil(seconds(report.range.to) / HOUR) * HOUR : null;
  return { from: choice.from === null ? from : choice.from * HOUR, to: choice.to === null ? to : choice.to * HOUR };
}

// ---- names of models and keys

const shortModels = new Map();

// anthropic.claude-sonnet-4-5-20250929-v1:0 is claude-sonnet-4-5.
function shortenedModel(model) {
  const name = model.replace(/^[A-Za-z0-9]+\.(?=.)/, "").replace(/:\d+$/, "").replace(/-v1$/, "").replace(/-\d{8}$/, "");
  return name || model;
}

function nameModels() {
  const listed = (embedded.requests || []).map((request) => request.model);
  const keyed = embedded.groups.map((group) => group.key.model).filter(Boolean);
  const models = Array.from(new Set([...keyed, ...listed, ...(cube && cube.values.model || []).filter(Boolean)]));
  const shortened = models.map(shortenedModel);
  models.forEach((model, at) => {
    const isUnique = shortened.indexOf(shortened[at]) === shortened.lastIndexOf(shortened[at]);
    shortModels.set(model, isUnique ? shortened[at] : model);
  });
}

const valueText = (dimension, value) => dimension === "model" && shortModels.has(value) ? shortModels.get(value) : value;
const dimensionName = (dimension) => dimension === "region" ? "Region" : dimension.charAt(0).toUpperCase() + dimension.slice(1);
// Model and scope first: they tell keys apart.
const keyOrder = ([dimension]) => ["model", "scope"].includes(dimension) ? 0 : 1;
const keyText = (key) => Object.entries(key).sort((a, b) => keyOrder(a) - keyOrder(b)).map(([dimension, value]) => nameText(valueText(dimension, value))).join(" · ");

// ---- marks of what is known

// Quota tokens of a group, with ≥ where they are known of a part and ? where of none.
function quotaFigure(group, field) {
  const series = group.quota_tokens_per_minute;
  const successful = group.requests.successful;
  if (!series) return group.tokens.settled_known === 0 && successful > 0 ? "?" : "–";
  if (series[field] === undefined) return "–";
  return (group.tokens.settled_known < successful ? "≥" : "") + short(series[field]);
}

const rateFigure = (group, field) => group.requests_per_minute && group.requests_per_minute[field] !== undefined ? short(group.requests_per_minute[field]) : "–";

function reasonOf(part) {
  const slots = cube && cube.slotHours;
  const reasons = {
    distributions: slots ? `Told for whole ${slots === 1 ? "hours" : `${slots}-hour slots of UTC`} only, which this range does not end with.` : "Told for the whole range only.",
    peakShares: "Shares in the peak minute are told for everything, or one group, in whole slots.",
    sliding: "Any 60 s and bursts are told for everything or for one group.",
  };
  if (part !== "rankings") return reasons[part];
  if (view.withheld.distributions) return reasons.distributions;
  return "Not told for this choice: values beyond the 200 largest of the run are in this page as one sum.";
}

// ---- overview

function tile(value, label, detail) {
  const figure = make("p", { className: "value" });
  figure.append(...(Array.isArray(value) ? value : [value]));
  return make("div", { className: "tile" }, make("h4", { textContent: label }), figure, paragraph(detail));
}

function drawTiles() {
  const { totals } = view.report;
  const { requests, statistics, high_token: high } = totals;
  const quota = totals.quota_tokens_per_minute;
  const rate = totals.requests_per_minute;
  const unit = (text) => make("small", { textContent: text });
  const sliding = (series) => series && series.peak_sliding_60s !== undefined ? ` · any 60 s ${short(series.peak_sliding_60s)}` : "";
  element("tiles").replaceChildren(
    tile(short(requests.attempted), "Requests", `${short(requests.successful)} successful`),
    tile(percent(requests.throttled, requests.attempted), "Throttled", `${counted(requests.throttled, "request")}, at least`),
    tile([quotaFigure(totals, "p50"), " ", unit("TPM")], "Quota tokens, steady", "median active minute"),
    tile([quotaFigure(totals, "peak"), " ", unit("TPM")], "Quota tokens, peak", quota ? moment(seconds(quota.peak_minute)) + sliding(quota) : "unknown"),
    tile([rateFigure(totals, "peak"), " ", unit("RPM")], "Requests, peak", rate ? `${moment(seconds(rate.peak_minute))} · steady ${short(rate.p50)}` : "none"),
    tile([average(statistics.average_input_tokens_per_request), " ", unit("in"), " ", average(statistics.average_output_tokens_per_request), " ", unit("out")],
      "Average tokens", `over 25k: ${percent(high.by_input.requests, totals.tokens.input_known)} by input, ${percent(high.by_prompt.requests, totals.tokens.input_known)} by prompt`),
  );
}

// ---- quotas

function appliedTo(key) {
  const fits = (quota) => quota.model === key.model && quota.scope === key.scope
    && (!quota.account || quota.account === key.account) && (!quota.region || quota.region === key.region);
  return key && (embedded.applied_quotas || []).find(fits);
}

function gauge(label, used, limit, isPartial) {
  const rest = used > limit ? `over by ${percent(used - limit, limit)}` : `${isPartial ? "at most " : ""}${percent(limit - used, limit)} left`;
  return make("div", { className: "soft one-line" }, `Quota ${short(limit)} ${label} · ${rest}`, make("div", { className: "rod" }, bar(used / limit, used > limit ? "red" : "settled")));
}

function quotaCard(group) {
  const { key, requests, statistics, high_token: high, tokens } = group;
  const isQuota = key.model !== undefined;
  const title = isQuota ? nameText(valueText("model", key.model)) : keyText(key);
  const rest = isQuota ? keyText(Object.fromEntries(Object.entries(key).filter(([dimension]) => dimension !== "model"))) : "";
  const only = make("button", { type: "button", className: "quiet", textContent: "Only this" });
  only.addEventListener("click", () => chooseOnly(key));
  const heading = make("div", {}, make("h3", { className: "name", textContent: title, title: nameText(key.model) }), make("p", { className: "soft name", textContent: rest }));
  const list = make("dl", {});
  const row = (label, ...values) => list.append(make("dt", { textContent: label }), ...values);
  const value = (text, className = "") => make("dd", { className, textContent: text });
  const quota = group.quota_tokens_per_minute;
  const rate = group.requests_per_minute;
  row("", value("steady", "head"), value("peak", "head"));
  row("Quota TPM", value(quotaFigure(group, "p50"), "main"), value(quotaFigure(group, "peak"), "main"));
  row("RPM", value(rateFigure(group, "p50")), value(rateFigure(group, "peak")));
  const peak = quota || rate;
  if (peak) row("Peak minute", value(moment(seconds(peak.peak_minute)), "wide"));
  row("Average tokens", value(`${average(statistics.average_input_tokens_per_request)} in · ${average(statistics.average_output_tokens_per_request)} out`, "wide"));
  row("Over 25k", value(`${percent(high.by_input.requests, tokens.input_known)} input · ${percent(high.by_prompt.requests, tokens.input_known)} prompt`, "wide"));
  row("Throttled", value(`${percent(requests.throttled, requests.attempted)} of ${short(requests.attempted)}`, requests.throttled ? "wide bad" : "wide"));
  const card = make("article", { className: "card quota" }, make("header", {}, heading, cube && view.report.groups.length > 1 ? only : null), list);
  const applied = appliedTo(key);
  if (applied && applied.tokens_per_minute && quota) card.append(gauge("TPM", quota.peak, applied.tokens_per_minute, tokens.settled_known < requests.successful));
  if (applied && applied.requests_per_minute && rate) card.append(gauge("RPM", rate.peak, applied.requests_per_minute, false));
  return card;
}

function drawQuotas() {
  const { groups, groups_omitted: omitted } = view.report;
  const dimensions = groups.length ? Object.keys(groups[0].key) : [];
  const isQuota = QUOTA_DIMENSIONS.every((dimension) => dimensions.includes(dimension)) && dimensions.length === QUOTA_DIMENSIONS.length;
  element("h-quotas").textContent = isQuota ? "By quota" : `By ${dimensions.map(visible).join(" × ")}`;
  element("quota-hint").hidden = !isQuota;
  const section = element("quotas");
  section.replaceChildren();
  section.parentNode.hidden = groups.length === 0;
  const figure = cleared("quota-table");
  const more = unfold(section, groups.map(quotaCard), CARDS_SHOWN, "groups");
  if (more) figure.append(more);
  if (omitted) figure.append(paragraph(`${counted(omitted, "more group")} in the totals only: the report was made with --top.`, "note"));
  const columns = [...dimensions.map(dimensionName), "Attempted", "Successful", "Throttled", "Quota TPM steady", "Quota TPM peak", "Peak minute (UTC)", "RPM steady", "RPM peak",
    "Average input", "Average output", "Over 25k by input", "Over 25k by prompt", "Input tokens", "Output tokens", "Settled", "Settled known of"];
  const optional = (series, field) => series && series[field] !== undefined ? series[field] : null;
  const decimal = (text) => text === undefined ? null : Number(text);
  attachData(figure, columns, () => groups.map((group) => [...Object.values(group.key), group.requests.attempted, group.requests.successful, group.requests.throttled,
    optional(group.quota_tokens_per_minute, "p50"), optional(group.quota_tokens_per_minute, "peak"), optional(group.quota_tokens_per_minute, "peak_minute"),
    optional(group.requests_per_minute, "p50"), optional(group.requests_per_minute, "peak"),
    decimal(group.statistics.average_input_tokens_per_request), decimal(group.statistics.average_output_tokens_per_request),
    group.high_token.by_input.requests, group.high_token.by_prompt.requests, group.tokens.input, group.tokens.output,
    group.tokens.settled_known ? group.tokens.settled : null, group.tokens.settled_known]));
}

// ---- charts of time

const charts = new Map();
// Series that the reader switched, by figure and key.
const switched = new Map([["tokens/tokens", false]]);
let zoom = null;
const colourOf = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
const INCREMENTS = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

// The largest value of each series in every slice of the width, so that no peak is lost between pixels. In a stack
// the hour with the largest sum stands for its slice.
function sliced({ series, step, time, stacked }, from, to, columns) {
  const width = step * Math.max(1, Math.ceil((to - from) / step / Math.max(1, columns)));
  const first = Math.floor(from / width);
  const count = Math.max(1, Math.ceil(to / width) - first);
  const slices = series.map(() => new Float64Array(count + 1));
  const sums = stacked && new Float64Array(count);
  let at = firstFrom(time, first * width);
  for (; at < time.length && time[at] < (first + count) * width; at++) {
    const slice = Math.floor(time[at] / width) - first;
    if (stacked) {
      const sum = series.reduce((all, one) => all + one.values[at], 0);
      if (sum <= sums[slice]) continue;
      sums[slice] = sum;
      series.forEach((one, index) => { slices[index][slice] = one.values[at]; });
    } else {
      series.forEach((one, index) => {
        if (one.values[at] > slices[index][slice]) slices[index][slice] = one.values[at];
      });
    }
  }
  slices.forEach((slice) => { slice[count] = slice[count - 1]; });
  const starts = Float64Array.from({ length: count + 1 }, (_, index) => (first + index) * width);
  return { width, starts, slices };
}

// The index of the first time that is not before `from`.
function firstFrom(time, from) {
  let [low, high] = [0, time.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (time[middle] < from) low = middle + 1; else high = middle;
  }
  return low;
}

function axisTimes(plot, splits) {
  let lastDay = null;
  return splits.map((time) => {
    const { month, day, hour, minute } = clock(time);
    const isNewDay = day !== lastDay;
    lastDay = day;
    const date = `${MONTHS[month]} ${day}`;
    if (hour === 0 && minute === 0) return date;
    return isNewDay && time !== splits[0] ? `${date} ${timeOf(time)}` : timeOf(time);
  });
}

// One chart; `spec` has step, time, series (key, label, colour, values), lines, marks, stacked and the unit.
function timeChart(figure, spec) {
  const isOn = (one) => switched.get(`${figure.id}/${one.key}`) !== false;
  const legend = make("div", { className: "legend" });
  const readout = make("p", { className: "readout" });
  const place = make("div", { className: "plot" });
  for (const one of spec.series) {
    const button = make("button", { type: "button" }, swatch(one.colour), nameText(one.label));
    button.setAttribute("aria-pressed", String(isOn(one)));
    button.addEventListener("click", () => {
      switched.set(`${figure.id}/${one.key}`, !isOn(one));
      button.setAttribute("aria-pressed", String(isOn(one)));
      refill(figure.id);
    });
    legend.append(spec.stacked ? make("span", { className: "key" }, swatch(one.colour), nameText(one.label)) : button);
  }
  for (const line of spec.lines || []) {
    legend.append(make("span", { className: "key", textContent: `${line.label} ${short(line.value)}${line.detail || ""}` }));
  }
  figure.append(legend, readout, place);
  const chart = { figure, spec, readout, place, isOn, plot: null, drawn: null };
  charts.set(figure.id, chart);
  build(chart);
}

function build(chart) {
  const { spec, place } = chart;
  if (chart.plot) chart.plot.destroy();
  const [soft, grid, ground] = [colourOf("soft"), colourOf("grid"), colourOf("amber-soft")];
  const font = "11px system-ui, sans-serif";
  const ink = spec.series.map((one) => colourOf(one.colour));
  const options = {
    width: Math.max(240, place.clientWidth),
    height: spec.height || 190,
    legend: { show: false },
    tzDate: (time) => local ? new Date(time * 1000) : uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
    cursor: {
      y: false, points: { show: false }, sync: { key: "time" },
      drag: { x: true, y: false, setScale: false },
      bind: { dblclick: () => () => zoomTo(null) },
    },
    scales: { x: { time: true }, y: { range: (plot, low, high) => [0, topOf(chart, high)] } },
    axes: [
      { stroke: soft, font, size: 28, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 4 }, values: axisTimes, space: 70 },
      { stroke: soft, font, size: 52, grid: { stroke: grid, width: 1 }, ticks: { show: false }, incrs: INCREMENTS, values: (plot, splits) => splits.map(tick) },
    ],
    series: [{}, ...spec.series.map((one, index) => ({
      show: chart.isOn(one), stroke: ink[index], width: one.line ? 1.25 : spec.stacked || one.solid ? 0 : 1,
      fill: one.line ? undefined : ink[index] + (spec.stacked || one.solid ? "" : "40"),
      paths: uPlot.paths.stepped({ align: 1 }), points: { show: false },
    }))],
    hooks: {
      drawClear: [(plot) => shadeGaps(plot, ground)],
      draw: [(plot) => { drawMarks(plot, chart); drawLines(plot, chart, soft, font); }],
      setCursor: [() => tellCursor(chart)],
      setSelect: [(plot) => {
        if (plot.select.width < 4) return;
        const [from, to] = [plot.select.left, plot.select.left + plot.select.width].map((left) => plot.posToVal(left, "x"));
        plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        zoomTo({ from: Math.floor(from / spec.step) * spec.step, to: Math.ceil(to / spec.step) * spec.step });
      }],
    },
  };
  chart.plot = new uPlot(options, dataOf(chart), place);
  chart.plot.root.setAttribute("role", "img");
  chart.plot.root.setAttribute("aria-label", `${chart.figure.querySelector("h3").textContent}; the table below has the figures`);
  setExtent(chart);
  tellCursor(chart);
}

function dataOf(chart) {
  const { from, to } = zoom || view.range;
  const { spec } = chart;
  chart.drawn = sliced(spec, from, to, chart.place.clientWidth - 60);
  let { slices } = chart.drawn;
  if (spec.stacked) {
    // From the top of the stack down, so that each hides the ones below it only where they are.
    slices = slices.map((slice) => Float64Array.from(slice));
    for (let index = slices.length - 2; index >= 0; index--) slices[index].forEach((value, at) => { slices[index][at] = value + slices[index + 1][at]; });
  }
  return [chart.drawn.starts, ...slices];
}

function topOf({ spec }, high) {
  const lines = zoom ? [] : (spec.lines || []).map((line) => line.value);
  return Math.max(1, high || 0, ...lines) * 1.12;
}

function setExtent(chart) {
  const { from, to } = zoom || view.range;
  chart.plot.setScale("x", { min: from, max: to });
}

function refill(id) {
  const chart = charts.get(id);
  chart.spec.series.forEach((one, index) => {
    if (chart.plot.series[index + 1].show !== chart.isOn(one)) chart.plot.setSeries(index + 1, { show: chart.isOn(one) }, false);
  });
  chart.plot.setData(dataOf(chart), false);
  setExtent(chart);
  tellCursor(chart);
}

// Hours in which no source has an object: what is drawn as 0 there is not known.
function shadeGaps(plot, colour) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = colour;
  for (const gap of commonGaps()) {
    const [left, right] = [gap.from, gap.to].map((time) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, plot.valToPos(time, "x", true))));
    if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

// Spans that are gaps of every account and Region that is shown.
function commonGaps() {
  if (view.gaps) return view.gaps;
  const lists = view.coverage.map((entry) => entry.gaps.map((gap) => ({ from: seconds(gap.from), to: seconds(gap.to) })));
  const both = (some, others) => some.flatMap((a) => others.map((b) => ({ from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) }))).filter((gap) => gap.from < gap.to);
  view.gaps = lists.length ? lists.reduce(both) : [];
  return view.gaps;
}

// Slices with throttles, as short strokes at the foot.
function drawMarks(plot, { spec, drawn }) {
  if (!spec.marks) return;
  const { ctx, bbox } = plot;
  const { from, to } = zoom || view.range;
  const height = 6 * uPlot.pxRatio;
  ctx.save();
  ctx.fillStyle = colourOf("red");
  for (let at = firstFrom(spec.time, from); at < spec.time.length && spec.time[at] < to; at++) {
    if (!(spec.marks[at] > 0)) continue;
    const start = Math.floor(spec.time[at] / drawn.width) * drawn.width;
    const left = Math.max(bbox.left, plot.valToPos(start, "x", true));
    const right = plot.valToPos(start + drawn.width, "x", true);
    ctx.fillRect(left, bbox.top + bbox.height - height, Math.max(uPlot.pxRatio, right - left), height);
  }
  ctx.restore();
}

function drawLines(plot, { spec }, soft, font) {
  const { ctx, bbox } = plot;
  const top = plot.scales.y.max;
  ctx.save();
  ctx.lineWidth = uPlot.pxRatio;
  ctx.font = font.replace("11px", `${11 * uPlot.pxRatio}px`);
  ctx.textAlign = "right";
  for (const line of spec.lines || []) {
    if (line.value > top) continue;
    const y = Math.round(plot.valToPos(line.value, "y", true)) + 0.5;
    ctx.strokeStyle = line.colour ? colourOf(line.colour) : soft;
    ctx.fillStyle = ctx.strokeStyle;
    ctx.setLineDash([4, 4].map((length) => length * uPlot.pxRatio));
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.strokeStyle = colourOf("card");
    ctx.lineWidth = 3 * uPlot.pxRatio;
    ctx.strokeText(line.label, bbox.left + bbox.width - 4, y - 4 * uPlot.pxRatio);
    ctx.lineWidth = uPlot.pxRatio;
    ctx.fillText(line.label, bbox.left + bbox.width - 4, y - 4 * uPlot.pxRatio);
  }
  ctx.restore();
}

function tellCursor({ plot, spec, drawn, readout, isOn }) {
  if (!plot) return;
  const index = plot.cursor.idx;
  const steps = drawn.width / spec.step;
  const each = steps > 1 ? `${steps} ${spec.unit}s` : `1 ${spec.unit}`;
  if (index === null || index === undefined || plot.cursor.left < 0) {
    readout.textContent = steps > 1 ? `Each step is the largest of ${each}; zoom in for single ${spec.unit}s.` : `Each step is ${each}.`;
    return;
  }
  const at = Math.min(index, drawn.starts.length - 2);
  const from = drawn.starts[at];
  const when = steps > 1 ? `${moment(from)} – ${timeOf(from + drawn.width)} ${zoneName()}, largest` : `${moment(from)} ${zoneName()}`;
  const shown = spec.series.map((one, place) => [one, drawn.slices[place][at]]).filter(([one, value]) => isOn(one) && (value > 0 || !spec.stacked));
  readout.textContent = [when, ...shown.map(([one, value]) => `${nameText(one.label)} ${short(value)}`)].join(" · ");
}

function zoomTo(range) {
  zoom = range && range.to > range.from ? range : null;
  for (const id of charts.keys()) refill(id);
  element("zoomed").hidden = !zoom;
  if (!zoom) return;
  element("zoomed").firstElementChild.textContent = `Charts show ${stamp(zoom.from)} to ${moment(zoom.to)} ${zoneName()}.`;
  element("use-zoom").hidden = !cube;
}

function rows(series, names) {
  return () => Array.from(series.time, (time, at) => [isoUtc(time), ...names.map((name) => series[name][at])]);
}

function drawTimes() {
  for (const chart of charts.values()) if (chart.plot) chart.plot.destroy();
  charts.clear();
  const { series, report: { totals, groups } } = view;
  const [tokens, requests] = ["tokens", "requests"].map(cleared);
  const noSeries = noCube || "This report was made without a series.";
  const hasRange = view.range.from !== null && view.range.to > view.range.from;
  if (!series || !series.time.length || !hasRange) {
    withhold(tokens, series ? "No minute with an attempt." : noSeries);
    requests.hidden = true;
    element("zoom-hint").hidden = true;
    return;
  }
  requests.hidden = false;
  element("zoom-hint").hidden = false;
  tokens.querySelector("h3").textContent = `Tokens per ${series.unit}`;
  requests.querySelector("h3").textContent = `Requests per ${series.unit}`;
  const perMinute = series.unit === "minute";
  const applied = perMinute && groups.length === 1 && !view.report.groups_omitted ? appliedTo(groups[0].key) : null;
  const levels = (figures, limit) => {
    if (!perMinute || !figures) return [];
    const lines = [{ label: "steady", value: figures.p50 }, { label: "peak", value: figures.peak, detail: ` at ${moment(seconds(figures.peak_minute))}` }];
    return limit ? [...lines, { label: "applied quota", value: limit, colour: "amber" }] : lines;
  };
  const isSettled = totals.tokens.settled_known > 0;
  const marks = series.throttled;
  const kinds = [
    isSettled && { key: "settled", label: "settled quota tokens", colour: "settled", values: series.settled },
    totals.tokens.reserved_known > 0 && { key: "reserved", label: "reserved", colour: "reserved", values: series.reserved, line: true },
    { key: isSettled ? "tokens" : "only", label: "raw", colour: "raw", values: series.tokens, line: isSettled },
  ].filter(Boolean);
  timeChart(tokens, { ...series, series: kinds, marks, lines: levels(isSettled ? totals.quota_tokens_per_minute : totals.tokens_per_minute, applied && applied.tokens_per_minute) });
  if (marks && totals.requests.throttled) tokens.querySelector(".legend").append(make("span", { className: "key" }, swatch("red"), "throttled at the foot"));
  const counts = [{ key: "attempts", label: "attempted", colour: "attempts", values: series.attempts }];
  if (marks && totals.requests.throttled) counts.push({ key: "throttled", label: "throttled", colour: "red", values: marks, solid: true });
  timeChart(requests, { ...series, series: counts, height: 150, lines: levels(totals.requests_per_minute, applied && applied.requests_per_minute) });
  attachData(tokens, ["Time (UTC)", "Settled", "Reserved", "Raw"], rows(series, ["settled", "reserved", "tokens"]), { largest: isSettled ? 1 : 3 });
  const columns = marks ? ["attempts", "throttled"] : ["attempts"];
  attachData(requests, ["Time (UTC)", "Attempted", "Throttled"].slice(0, columns.length + 1), rows(series, columns), { largest: 1 });
}

function drawErrors() {
  const figure = cleared("errors");
  const { errors, attempted } = view.report.totals.requests;
  const codes = byCount(errors);
  if (!codes.length) {
    figure.append(paragraph("No errors.", "why-not"));
    return;
  }
  if (view.hasErrorsByHour && view.hours.length && view.range.to > view.range.from) {
    const time = Float64Array.from(view.hours, (hour) => hour.hour * HOUR);
    const named = codes.slice(0, codes.length > ERROR_SERIES_MAX ? ERROR_SERIES_MAX - 1 : ERROR_SERIES_MAX).map(([code]) => code);
    let colours = ["e1", "e2", "e3", "e4", "e5"];
    const series = named.map((code) => ({
      key: code, label: code, values: Float64Array.from(view.hours, (hour) => hour.errors[code] || 0),
      colour: code === "ThrottlingException" ? "red" : colours.shift(),
    }));
    if (named.length < codes.length) {
      const rest = codes.slice(named.length).map(([code]) => code);
      const values = Float64Array.from(view.hours, (hour) => rest.reduce((sum, code) => sum + (hour.errors[code] || 0), 0));
      series.push({ key: "other", label: "other codes", values, colour: "e5" });
    }
    timeChart(figure, { series, time, step: HOUR, unit: "hour", stacked: true, height: 140 });
  } else if (noCube) {
    figure.append(paragraph(noCube, "note"));
  }
  figure.append(bars(codes, (count) => `${thousands(count)} · ${percent(count, attempted)}`, "red"));
  const all = codes.map(([code]) => code);
  if (view.hasErrorsByHour) attachData(figure, ["Hour (UTC)", ...all], () => view.hours.map((hour) => [isoUtc(hour.hour * HOUR), ...all.map((code) => hour.errors[code] || 0)]));
  else attachData(figure, ["Code", "Requests"], () => codes);
}

// ---- bars

const byCount = (counts) => Object.entries(counts || {}).filter(([name]) => !name.endsWith("_text") || typeof counts[name] === "number").sort((a, b) => b[1] - a[1]);

function bars(entries, label, colour = "settled", heading) {
  const largest = Math.max(1, ...entries.map(([, value]) => value));
  const list = make("div", { className: "bars" });
  if (heading) list.append(make("h4", { textContent: heading }));
  for (const [name, value] of entries) {
    list.append(nameOf(name), make("div", { className: "rod" }, bar(value / largest, colour)), make("span", { className: "amount", textContent: label(value, name) }));
  }
  return list;
}

// ---- distributions

// Lowest values of the bars: eight a decade, whole numbers, and one just above 25,000.
function binEdges(largest) {
  const edges = [0];
  for (let step = 0; edges[edges.length - 1] <= largest; step++) {
    const edge = Math.ceil(10 ** (step / 8));
    if (edge !== edges[edges.length - 1]) edges.push(edge);
  }
  const at = edges.findIndex((edge) => edge > 25000);
  // The edge beside it moves there, so that a bar is on one side of the line.
  if (at > 0) edges[at - 1] = 25001;
  return edges;
}

function histogram(figure, spread) {
  const largest = spread.buckets[spread.buckets.length - 1][0];
  const edges = binEdges(largest);
  const counts = new Array(edges.length).fill(0);
  let bin = 0;
  for (const [lowest, , count] of spread.buckets) {
    while (bin + 1 < edges.length && edges[bin + 1] <= lowest) bin++;
    counts[bin] += count;
  }
  const first = Math.max(0, counts.findIndex((count) => count > 0));
  const last = bin;
  const highest = Math.max(...counts);
  const plot = make("div", { className: "histogram" });
  const ticks = make("div", { className: "ticks" });
  plot.setAttribute("aria-hidden", "true");
  ticks.setAttribute("aria-hidden", "true");
  const place = (at) => `${(at - first) / (last - first + 1) * 100}%`;
  const binName = (at) => edges[at + 1] - 1 > edges[at] ? `${thousands(edges[at])}–${thousands(edges[at + 1] - 1)}` : thousands(edges[at]);
  for (let at = first; at <= last; at++) {
    const column = make("i", { className: edges[at] > 25000 ? "over" : "", title: `${binName(at)} tokens: ${thousands(counts[at])} (${percent(counts[at], spread.count)})` });
    column.style.height = counts[at] ? `max(1px, ${counts[at] / highest * 100}%)` : "0";
    plot.append(column);
  }
  const line = edges.indexOf(25001);
  if (line > first && line <= last) {
    const mark = make("span", { className: line - first > (last - first) / 2 ? "mark left" : "mark", textContent: "25k" });
    mark.style.left = place(line);
    plot.append(mark);
  }
  // Powers of ten, every other one where the bars are few pixels wide for each.
  const powers = edges.map((edge, at) => [edge, at]).filter(([edge, at]) => at >= first && at <= last && (edge === 0 || /^10*$/.test(String(edge))));
  for (const [edge, at] of powers) {
    if (edge === 0 && powers.length > 4) continue;
    const mark = make("span", { textContent: tick(edge) });
    mark.style.left = place(at + 0.5);
    ticks.append(mark);
  }
  figure.append(plot, ticks);
  return () => counts.map((count, at) => [edges[at], edges[at + 1] === undefined ? edges[at] : edges[at + 1] - 1, count]).slice(first, last + 1);
}

function statistics(distribution, format) {
  const named = [["p50", "p50"], ["p90", "p90"], ["p99", "p99"], ["max", "max"]];
  const list = make("div", { className: "stats" });
  for (const [field, label] of named) list.append(make("div", {}, make("span", { textContent: label + " " }), format(distribution[field])));
  list.append(make("div", {}, make("span", { textContent: "mean " }), average(distribution.mean)));
  return list;
}

function drawSizes() {
  const { distributions = {}, high_token: high, tokens, input_bands: bands } = view.report.totals;
  for (const [id, name] of [["input", "input_tokens"], ["prompt", "prompt_tokens"], ["output", "output_tokens"]]) {
    const figure = cleared(id);
    const distribution = distributions[name];
    if (view.withheld.distributions) {
      withhold(figure, reasonOf("distributions"));
      continue;
    }
    if (!distribution) {
      figure.append(paragraph("No count is known.", "why-not"));
      continue;
    }
    const spread = view.spreads && view.spreads[name];
    const bins = spread && spread.buckets.length ? histogram(figure, spread) : null;
    if (!bins && id === "input") figure.append(bars([["below 1k", bands.below_1000], ["1k to 25k", bands.from_1000_to_25000], ["over 25k", bands.above_25000]], (count) => percent(count, tokens.input_known)));
    figure.append(statistics(distribution, short));
    const over = { input: high.by_input, prompt: high.by_prompt }[id];
    const known = id === "output" ? tokens.output_known : tokens.input_known;
    const part = known < view.report.totals.requests.successful ? `; counts of ${percent(known, view.report.totals.requests.successful)} are known` : "";
    figure.append(paragraph(`${over ? `${percent(over.requests, tokens.input_known)} of requests over 25k (${thousands(over.requests)})` : counted(distribution.count, "request")}${part}`, "note"));
    if (bins) attachData(figure, ["From (tokens)", "To", "Requests"], bins);
    else attachData(figure, ["Figure", "Tokens"], () => Object.entries(distribution).map(([field, value]) => [field, Number(value)]));
  }
}

function drawLatency() {
  const figure = cleared("times");
  const { distributions = {} } = view.report.totals;
  if (view.withheld.distributions) return withhold(figure, reasonOf("distributions"));
  const kinds = [["Latency", distributions.latency_ms], ["First byte", distributions.first_byte_ms]].filter(([, known]) => known);
  if (!kinds.length) return void figure.append(paragraph("No time is logged.", "why-not"));
  const low = Math.max(1, Math.min(...kinds.map(([, known]) => known.p50)) / 2);
  const high = Math.max(low * 2, ...kinds.map(([, known]) => known.p999));
  const place = (value) => `${Math.max(0, Math.min(1, Math.log(Math.max(low, value) / low) / Math.log(high / low))) * 100}%`;
  const list = make("div", { className: "spans" });
  for (const [name, known] of kinds) {
    const [middle, track] = [make("i", {}), make("div", { className: "track" })];
    middle.style.left = place(known.p50);
    middle.style.right = `calc(100% - ${place(known.p99)})`;
    track.append(middle);
    for (const field of ["p50", "p90", "p99"]) {
      const mark = make("u", { title: `${field} ${duration(known[field])}` });
      mark.style.left = place(known[field]);
      track.append(mark);
    }
    list.append(make("span", { textContent: name }), track);
  }
  const fields = ["p50", "p90", "p95", "p99", "p999", "max"];
  const shown = table(["", ...fields.map((field) => field === "p999" ? "p99.9" : field), "Requests"], kinds.map(([name, known]) => [name, ...fields.map((field) => duration(known[field])), known.count]));
  for (const cell of shown.querySelectorAll("td:not(:first-child), th:not(:first-child)")) cell.className = "number";
  figure.append(list, make("div", { className: "scroll" }, shown));
  attachData(figure, ["Time (ms)", ...fields, "Requests"], () => kinds.map(([name, known]) => [name, ...fields.map((field) => known[field]), known.count]), { hasTable: false });
}

// ---- callers and tags

let ranked = null;

// A caller by its role and session or its user, with the account behind it; its whole name stays in the title.
function callerText(value) {
  const arn = /^arn:[^:]*:(?:sts|iam)::(\d+):(?:assumed-role\/)?(.+)$/.exec(value);
  return arn ? `${arn[2]} · ${arn[1]}` : value;
}

function drawRanking() {
  const figure = cleared("ranking");
  const ofRun = embedded.rankings || [];
  const rankings = view.report.rankings || [];
  element("h-who").parentNode.hidden = ofRun.length === 0;
  element("ranking-unit").textContent = "";
  if (!ofRun.length) return;
  const ranking = rankings.find((one) => one.dimension === ranked) || rankings[0];
  if (!ranking) return withhold(figure, reasonOf("rankings"));
  const picker = make("div", { className: "picker" });
  for (const one of rankings) {
    const button = make("button", { type: "button", textContent: dimensionName(visible(one.dimension)) });
    button.setAttribute("aria-pressed", String(one === ranking));
    button.addEventListener("click", () => {
      ranked = one.dimension;
      drawRanking();
    });
    picker.append(button);
  }
  if (rankings.length > 1) figure.append(picker);
  const bySettled = view.report.totals.tokens.settled_known > 0;
  element("ranking-unit").textContent = bySettled ? "Load is settled quota tokens." : "Load is raw tokens.";
  const rod = (decimal) => make("span", {}, share(decimal), make("span", { className: "rod" }, bar(Number(decimal || 0))));
  const columns = [dimensionName(visible(ranking.dimension)), "Share of load", "In the peak minute", "Requests", "Throttled", "Input", "Output"];
  const shown = table(columns, ranking.rows.map((row) => [row.value === null || row.value === undefined ? "(none)" : nameOf(row.value, callerText(valueText(ranking.dimension, row.value))), rod(row.share),
    row.share_in_peak === undefined ? "–" : rod(row.share_in_peak), row.attempted, make("span", { textContent: percent(row.throttled, row.attempted) }),
    make("span", { textContent: short(row.input) }), make("span", { textContent: short(row.output) })]));
  for (const cell of shown.querySelectorAll("tr > :not(:first-child)")) cell.className = "number";
  const items = [...shown.tBodies[0].rows];
  shown.tBodies[0].replaceChildren();
  const more = unfold(shown.tBodies[0], items, ROWS_SHOWN, "values");
  figure.append(make("div", { className: "ranks" }, shown));
  if (more) figure.append(more);
  if (ranking.omitted) figure.append(paragraph(`${counted(ranking.omitted, "more value")} beyond these, in no row.`, "note"));
  const missing = ofRun.filter((one) => !rankings.some((other) => other.dimension === one.dimension));
  if (missing.length) figure.append(paragraph(`${missing.map((one) => dimensionName(visible(one.dimension))).join(", ")}: ${reasonOf("rankings")}`, "note"));
  if (view.withheld.peakShares) figure.append(paragraph(reasonOf("peakShares"), "note"));
  attachData(figure, [ranking.dimension, "share of load", "share in the peak minute", "attempted", "throttled", "input", "output", "settled"],
    () => ranking.rows.map((row) => [row.value === undefined ? null : row.value, row.share === undefined ? null : Number(row.share), row.share_in_peak === undefined ? null : Number(row.share_in_peak),
      row.attempted, row.throttled, row.input, row.output, row.settled]));
}

// ---- where, when and what

function drawHeat() {
  const figure = cleared("heat");
  element("heat-unit").textContent = "";
  const { hours, range } = view;
  if (!hours || range.from === null) return withhold(figure, noCube || "This report was made without a series.");
  const bySettled = view.report.totals.tokens.settled_known > 0;
  element("heat-unit").textContent = `${bySettled ? "Settled quota" : "Raw"} tokens an hour, mean of the range, ${zoneName()}.`;
  const cells = Array.from({ length: 7 * 24 }, () => ({ sum: 0, hours: 0 }));
  const cellAt = (time) => {
    const { weekday, hour } = clock(time);
    return cells[weekday * 24 + hour];
  };
  for (let time = range.from; time < range.to; time += HOUR) cellAt(time).hours += 1;
  for (const hour of hours) cellAt(hour.hour * HOUR).sum += bySettled ? hour.settled : hour.tokens;
  const mean = ({ sum, hours: count }) => count ? rounded(sum, count) : 0;
  const largest = Math.max(1, ...cells.map(mean));
  const grid = make("div", { className: "heat" }, make("span", {}));
  for (let hour = 0; hour < 24; hour++) grid.append(make("span", { textContent: hour % 6 === 0 ? pad(hour) : "" }));
  cells.forEach((cell, at) => {
    if (at % 24 === 0) grid.append(make("span", { textContent: WEEKDAYS[at / 24] }));
    const square = make("i", { title: `${WEEKDAYS[Math.floor(at / 24)]} ${pad(at % 24)}:00: ${cell.hours ? `${short(mean(cell))} tokens, mean of ${counted(cell.hours, "hour")}` : "not in the range"}` });
    square.style.setProperty("--heat", String(mean(cell) / largest));
    grid.append(square);
  });
  grid.setAttribute("aria-hidden", "true");
  figure.append(grid, paragraph(`Darkest: ${short(largest)} tokens an hour.`, "note"));
  attachData(figure, ["Weekday", "Hour", "Tokens an hour", "Hours in the range"], () => cells.map((cell, at) => [WEEKDAYS[Math.floor(at / 24)], at % 24, mean(cell), cell.hours]));
}

function flowLinks() {
  const { totals, groups, groups_omitted: omitted } = view.report;
  const bySource = groups.length > 0 && !omitted && groups[0].key.region !== undefined;
  const links = new Map();
  for (const group of bySource ? groups : [totals]) {
    const source = bySource ? group.key.region : "all";
    for (const [target, { requests }] of Object.entries(group.cross_region || {})) {
      const id = JSON.stringify([source, target]);
      const link = links.get(id) || { source: nameText(source), target: nameText(target), requests: 0 };
      link.requests += requests;
      links.set(id, link);
    }
  }
  return [...links.values()].sort((a, b) => b.requests - a.requests);
}

function drawFlow() {
  const figure = cleared("flow");
  if (view.withheld.distributions) return withhold(figure, reasonOf("distributions"));
  const links = flowLinks();
  if (!links.length) return void figure.append(paragraph("No call names the Region that ran it.", "why-not"));
  const ends = (side) => {
    const sums = new Map();
    for (const link of links) sums.set(link[side], (sums.get(link[side]) || 0) + link.requests);
    return [...sums].sort((a, b) => b[1] - a[1]);
  };
  const all = links.reduce((sum, link) => sum + link.requests, 0);
  const sides = { source: ends("source"), target: ends("target") };
  const [gap, lowest] = [6, 30];
  const placed = (list) => {
    let top = 0;
    return new Map(list.map(([name, requests]) => {
      const height = Math.max(lowest, Math.round(requests / all * 150));
      const end = { name, requests, top, height, used: 0 };
      top += height + gap;
      return [name, end];
    }));
  };
  const [left, right] = [placed(sides.source), placed(sides.target)];
  const tall = Math.max(...[left, right].map((side) => [...side.values()].reduce((sum, end) => sum + end.height + gap, 0)));
  const svg = drawing("svg", { viewBox: `0 0 100 ${tall}`, preserveAspectRatio: "none", height: tall, "aria-hidden": "true" });
  for (const { source, target, requests } of links) {
    const [from, to] = [left.get(source), right.get(target)];
    const [thick, thin] = [from, to].map((end) => requests / end.requests * end.height);
    const [a, b] = [from.top + from.used, to.top + to.used];
    from.used += thick;
    to.used += thin;
    svg.append(drawing("path", { class: source === target ? "home" : "", d: `M0 ${a}C50 ${a} 50 ${b} 100 ${b}V${b + thin}C50 ${b + thin} 50 ${a + thick} 0 ${a + thick}Z` }));
  }
  const column = (side, className) => {
    const node = make("div", { className: "ends " + className });
    for (const end of side.values()) {
      const label = make("div", { className: "end" }, nameOf(end.name), make("small", { textContent: `${short(end.requests)} · ${percent(end.requests, all)}` }));
      label.style.height = `${end.height}px`;
      node.append(label);
    }
    return node;
  };
  figure.append(make("div", { className: "flow" }, column(left, "left"), make("div", {}, svg), column(right, "right")));
  const { attempted } = view.report.totals.requests;
  if (all < attempted) figure.append(paragraph(`Known for ${percent(all, attempted)} of the requests.`, "note"));
  const regions = view.report.totals.cross_region;
  const p50 = (target) => regions[target] && regions[target].latency_ms ? regions[target].latency_ms.p50 : null;
  attachData(figure, ["Called", "Ran in", "Requests", "Latency there, p50 (ms)"], () => links.map((link) => [link.source, link.target, link.requests, p50(link.target)]));
}

function stack(figure, pieces) {
  const all = pieces.reduce((sum, [, value]) => sum + value, 0);
  const [rod, legend] = [make("div", { className: "rod stack" }), make("div", { className: "legend" })];
  for (const [name, value, colour] of pieces) {
    rod.append(bar(all ? value / all : 0, colour));
    legend.append(make("span", { className: "key" }, swatch(colour), `${name} ${short(value)} · ${percent(value, all)}`));
  }
  figure.append(rod, legend);
}

function cacheParts(tokens) {
  return { read: tokens.cache_read, write: tokens.cache_write, rest: Math.max(0, tokens.prompt - tokens.cache_read - tokens.cache_write) };
}

function drawCache() {
  const figure = cleared("cache");
  const { totals, groups } = view.report;
  const { read, write, rest } = cacheParts(totals.tokens);
  if (read + write === 0) return void figure.append(paragraph("Nothing was read from a cache or written to one.", "why-not"));
  stack(figure, [["not cached", rest, "settled"], ["cache reads", read, "raw"], ["cache writes", write, "e1"]]);
  const users = groups.filter((group) => group.tokens.cache_read + group.tokens.cache_write > 0).sort((a, b) => b.tokens.cache_read - a.tokens.cache_read);
  const entries = users.slice(0, 5).map((group) => [keyText(group.key), group.tokens.cache_read / group.tokens.prompt]);
  if (users.length > 0 && groups.length > 1) figure.append(bars(entries, (part) => percent(Math.round(part * 1e6), 1e6), "raw", "Part of the prompt that was read from the cache"));
  attachData(figure, ["Group", "Not cached", "Cache reads", "Cache writes"], () => [["all", rest, read, write], ...groups.map((group) => {
    const parts = cacheParts(group.tokens);
    return [keyText(group.key), parts.rest, parts.read, parts.write];
  })]);
}

function drawPayloads() {
  const figure = cleared("payloads");
  const { payloads: { large, content }, requests: { attempted } } = view.report.totals;
  const label = (count) => `${short(count)} · ${percent(count, attempted)}`;
  if (large.requests) {
    figure.append(bars([["input", large.input], ["output", large.output]], label, "e1", `Offloaded: ${counted(large.requests, "request")}${large.bytes ? `, ${bytes(large.bytes)} known` : ""}`));
  } else {
    figure.append(paragraph("No body was offloaded.", "note"));
  }
  const kinds = byCount(content);
  if (kinds.length) figure.append(bars(kinds, label, "settled", "Content"));
  attachData(figure, ["Kind", "Requests"], () => [["offloaded input", large.input], ["offloaded output", large.output], ...kinds]);
}

function drawAnswers() {
  const figure = cleared("answers");
  const { status, stop_reason: reasons } = view.report.totals.responses;
  const [statuses, stops] = [byCount(status), byCount(reasons)];
  const sum = (entries) => entries.reduce((all, [, count]) => all + count, 0);
  const label = (entries) => (count) => `${short(count)} · ${percent(count, sum(entries))}`;
  if (statuses.length) figure.append(bars(statuses, label(statuses), "attempts", "HTTP status"));
  if (stops.length) figure.append(bars(stops.slice(0, ROWS_SHOWN), label(stops), "settled", "Stop reason"));
  if (!statuses.length && !stops.length) return void figure.append(paragraph("None is logged.", "why-not"));
  attachData(figure, ["What", "Value", "Requests"], () => [...statuses.map(([code, count]) => ["status", code, count]), ...stops.map(([reason, count]) => ["stop reason", reason, count])]);
}

function drawCoverage() {
  const figure = cleared("coverage");
  const { coverage, range } = view;
  if (!coverage.length || range.from === null) return void figure.append(paragraph("The sources claim no hours.", "why-not"));
  const list = make("div", { className: "covers" });
  const entryName = (entry) => entry.account || entry.region ? [entry.account, entry.region].filter(Boolean).map(visible).join(" ") : "any account";
  const sorted = [...coverage].sort((a, b) => (b.hours - b.hours_with_objects) - (a.hours - a.hours_with_objects));
  const length = range.to - range.from;
  const items = sorted.map((entry) => {
    const strip = make("div", { className: "cover" });
    for (const gap of entry.gaps) {
      const [from, to] = [seconds(gap.from), seconds(gap.to)];
      const hole = make("i", { title: `${stamp(from)} to ${moment(to)} ${zoneName()}: no objects` });
      hole.style.left = `${(from - range.from) / length * 100}%`;
      hole.style.width = `${(to - from) / length * 100}%`;
      strip.append(hole);
    }
    return [make("span", { className: "name one-line", textContent: entryName(entry), title: entryName(entry) }), strip, make("span", { className: "amount", textContent: `${thousands(entry.hours_with_objects)}/${thousands(entry.hours)} h` })];
  });
  const more = unfold(list, items.flat(), 3 * ROWS_SHOWN, "");
  figure.append(list);
  if (more) {
    more.textContent = `Show all ${thousands(coverage.length)}`;
    figure.append(more);
  }
  attachData(figure, ["Account", "Region", "Gap from (UTC)", "Gap to (UTC)", "Hours with objects", "Hours"], () => sorted.flatMap((entry) => {
    const row = (gap) => [entry.account || "", entry.region || "", gap ? gap.from : "", gap ? gap.to : "", entry.hours_with_objects, entry.hours];
    return entry.gaps.length ? entry.gaps.map(row) : [row(null)];
  }));
}

function drawList() {
  const requests = embedded.requests;
  element("listed").hidden = !requests || requests.length === 0;
  if (!requests) return;
  const figure = cleared("list");
  const columns = [`Time (${zoneName()})`, "Request", "Account", "Region", "Model", "Operation", "Caller", "Error", "Input", "Prompt", "Output", "Latency"];
  const text = (value) => value === undefined ? "" : value;
  const shown = table(columns, requests.map((one) => [stamp(seconds(one.timestamp)), text(one.request_id), text(one.account), text(one.region), valueText("model", one.model), text(one.operation), text(one.identity), text(one.error_code),
    one.input_tokens, one.prompt_tokens, one.output_tokens, one.latency_ms === undefined ? "" : duration(one.latency_ms)]));
  const items = [...shown.tBodies[0].rows];
  shown.tBodies[0].replaceChildren();
  const more = unfold(shown.tBodies[0], items, 2 * ROWS_SHOWN, "requests");
  figure.append(make("div", { className: "scroll card" }, shown));
  if (more) figure.append(more);
  const fields = ["timestamp", "request_id", "account", "region", "model", "operation", "identity", "error_code", "input_tokens", "prompt_tokens", "output_tokens", "latency_ms", "input_bytes", "output_bytes"];
  attachData(figure, fields, () => requests.map((one) => fields.map((field) => one[field])), { hasTable: false });
}

// ---- what is chosen

function toInput(hour) {
  return hour === null ? "" : stamp(hour * HOUR).replace(" ", "T").slice(0, 16);
}

// The hour in which a typed time lies.
function fromInput(text) {
  if (!text) return null;
  const time = local ? new Date(text).getTime() : Date.parse(text + "Z");
  return Number.isFinite(time) ? Math.floor(time / 1000 / HOUR) : null;
}

// First hour and end of the run. Records of an implausible time may lie outside; they count where no end is chosen.
function bounds() {
  const { range } = embedded;
  if (range) return { first: Math.floor(seconds(range.from) / HOUR), end: Math.ceil(seconds(range.to) / HOUR) };
  return cube ? { first: cube.hours.first, end: cube.hours.last + 1 } : { first: null, end: null };
}

function chooseRange(from, to) {
  const { first, end } = bounds();
  choice.from = from === null || from <= first ? null : Math.min(from, end - 1);
  choice.to = to === null || to >= end ? null : Math.max(to, first + 1);
  if (choice.from !== null && choice.to !== null && choice.from >= choice.to) choice.to = choice.from + 1;
  zoom = null;
  element("zoomed").hidden = true;
  changed();
}

function chooseOnly(key) {
  choice.filter = Object.fromEntries(cube.dimensions.filter((dimension) => key[dimension] !== undefined).map((dimension) => [dimension, [key[dimension]]]));
  changed();
  element("bar").scrollIntoView({ block: "nearest" });
}

function reset() {
  Object.assign(choice, { from: null, to: null, filter: {} });
  zoom = null;
  element("zoomed").hidden = true;
  changed();
}

function changed() {
  writeHash();
  showChoice();
  draw();
}

// #from=2026-11-08T00&to=…&region=…: an empty value is that of records without one.
function writeHash() {
  const words = new URLSearchParams();
  for (const end of ["from", "to"]) if (choice[end] !== null) words.set(end, new Date(choice[end] * HOUR * 1000).toISOString().slice(0, 13));
  for (const [dimension, values] of Object.entries(choice.filter)) for (const value of values) words.append(dimension, value === null ? "" : value);
  if (local) words.set("zone", "local");
  try {
    history.replaceState(null, "", "#" + words.toString());
  } catch {
    // A page inside of another may not change its address; the choice holds without it.
  }
}

function readHash() {
  const words = new URLSearchParams(location.hash.slice(1));
  local = words.get("zone") === "local";
  element("zone").value = local ? "local" : "utc";
  if (!cube) return;
  const hour = (text) => {
    const time = Date.parse(`${text}:00Z`);
    return text && Number.isFinite(time) ? Math.floor(time / 1000 / HOUR) : null;
  };
  choice.from = hour(words.get("from"));
  choice.to = hour(words.get("to"));
  choice.filter = {};
  for (const dimension of cube.dimensions) {
    const values = words.getAll(dimension).map((value) => value === "" && !cube.values[dimension].includes("") ? null : value);
    const known = values.filter((value) => cube.values[dimension].includes(value));
    if (known.length) choice.filter[dimension] = known;
  }
}

// Requests of the whole run by value of a dimension, for the menus.
function countsOf(dimension) {
  const counts = new Map();
  for (const group of whole.report.groups || []) {
    counts.set(group.key[dimension], (counts.get(group.key[dimension]) || 0) + group.requests.attempted);
  }
  return counts;
}

function filterMenu(dimension) {
  const values = cube.values[dimension];
  const details = make("details", { className: "filter" });
  details.dataset.dimension = dimension;
  const search = make("input", { type: "search", placeholder: `Search ${thousands(values.length)} values` });
  search.setAttribute("aria-label", `Search values of ${dimension}`);
  const list = make("div", { className: "values" });
  let counts = null;
  let boxes = [];
  const isOn = (value) => (choice.filter[dimension] || []).includes(value);
  const fill = () => {
    boxes = [];
    counts = counts || countsOf(dimension);
    const wanted = search.value.toLowerCase();
    const fitting = values.filter((value) => nameText(value).toLowerCase().includes(wanted)).sort((a, b) => (counts.get(b) || 0) - (counts.get(a) || 0));
    list.replaceChildren(...fitting.slice(0, MENU_VALUES_MAX).map((value) => {
      const box = make("input", { type: "checkbox", checked: isOn(value) });
      boxes.push([box, value]);
      box.addEventListener("change", () => toggle(dimension, value, box.checked));
      return make("label", {}, box, nameOf(value === null ? "(none)" : value), make("span", { className: "count", textContent: short(counts.get(value) || 0) }));
    }));
    if (fitting.length > MENU_VALUES_MAX) list.append(paragraph(`${thousands(fitting.length - MENU_VALUES_MAX)} more: search for them.`, "note"));
  };
  // What has the focus stays where it is.
  details.refresh = () => { for (const [box, value] of boxes) box.checked = isOn(value); };
  search.addEventListener("input", fill);
  details.addEventListener("toggle", () => {
    if (!details.open) return;
    for (const other of document.querySelectorAll(".filter[open]")) if (other !== details) other.open = false;
    fill();
  });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    details.open = false;
    details.firstElementChild.focus();
  });
  const all = make("button", { type: "button", className: "quiet", textContent: "All values" });
  all.addEventListener("click", () => {
    delete choice.filter[dimension];
    changed();
  });
  details.append(make("summary", {}), make("div", { className: "menu" }, values.length > 8 ? search : null, list, all));
  return details;
}

function toggle(dimension, value, isOn) {
  const values = (choice.filter[dimension] || []).filter((one) => one !== value);
  if (isOn) values.push(value);
  if (values.length) choice.filter[dimension] = values; else delete choice.filter[dimension];
  changed();
}

function filterText(dimension) {
  const values = choice.filter[dimension];
  if (!values) return `${dimensionName(visible(dimension))}: all`;
  const first = values[0] === null ? "(none)" : nameText(valueText(dimension, values[0]));
  return `${dimensionName(visible(dimension))}: ${values.length === 1 ? first : `${values.length} of ${cube.values[dimension].length}`}`;
}

// The filter bar says what is chosen; so does a line that is only printed.
function showChoice() {
  const [from, to] = [element("from"), element("to")];
  const { first, end } = bounds();
  from.value = toInput(choice.from === null ? first : choice.from);
  to.value = toInput(choice.to === null ? end : choice.to);
  element("reset").disabled = !isChosen();
  for (const details of document.querySelectorAll(".filter")) {
    const { dimension } = details.dataset;
    details.classList.toggle("on", Boolean(choice.filter[dimension]));
    details.firstElementChild.textContent = filterText(dimension);
    details.refresh();
  }
  const filters = Object.entries(choice.filter).map(([dimension, values]) => `${visible(dimension)} ${values.map(nameText).join(", ")}`);
  const span = cube && (choice.from !== null || choice.to !== null) ? [`${from.value.replace("T", " ")} to ${to.value.replace("T", " ")} ${zoneName()}`] : [];
  element("chosen").textContent = isChosen() ? `Chosen: ${[...span, ...filters].join(" · ")}` : "";
}

// What the choice means, what it greys and why.
function tellChoice() {
  const told = element("told");
  told.replaceChildren();
  if (!cube) {
    told.append(noCube);
    return;
  }
  if (!view.chosen) return;
  const { withheld, report } = view;
  told.append(`${thousands(report.totals.requests.attempted)} of ${counted(embedded.totals.requests.attempted, "request")}, exact as of a fresh run. Health, findings and notes stay those of the whole run.`);
  const greyed = [];
  if (withheld.distributions) greyed.push(`Sizes, latency, cross-Region flow${withheld.rankings ? " and callers" : ""} are greyed. ${reasonOf("distributions")}`);
  else if (withheld.rankings) greyed.push(`Callers are greyed. ${reasonOf("rankings")}`);
  if (withheld.sliding) greyed.push(reasonOf("sliding"));
  if (greyed.length) told.append(" " + greyed.join(" "));
  if (withheld.distributions && cube.slotHours > 1 && (choice.from !== null || choice.to !== null)) {
    const widen = make("button", { type: "button", textContent: `Widen to ${cube.slotHours}-hour slots` });
    widen.addEventListener("click", () => {
      const { slotHours } = cube;
      chooseRange(choice.from === null ? null : Math.floor(choice.from / slotHours) * slotHours, choice.to === null ? null : Math.ceil(choice.to / slotHours) * slotHours);
    });
    told.append(" ", widen);
  }
}

function draw() {
  look();
  const isEmpty = view.report.totals.requests.attempted === 0;
  element("nothing").hidden = !isEmpty;
  element("nothing").textContent = view.chosen ? "No request matches this choice." : "No request was counted.";
  document.body.classList.toggle("filtered", view.chosen);
  tellChoice();
  for (const part of [drawTiles, drawTimes, drawErrors, drawQuotas, drawSizes, drawLatency, drawRanking, drawHeat, drawFlow, drawCache, drawPayloads, drawAnswers, drawCoverage, drawList]) part();
}

// ---- start

// Where the engine's totals of everything are not the report's, neither can be trusted: the first name that differs.
function difference(ours, theirs, path) {
  if (theirs !== null && typeof theirs === "object") {
    if (ours === null || typeof ours !== "object") return path;
    for (const name of new Set([...Object.keys(theirs), ...Object.keys(ours)])) {
      if (name === "data_points" || name === "key" || name.endsWith("_text")) continue;
      const found = difference(ours[name], theirs[name], path ? `${path}.${name}` : name);
      if (found) return found;
    }
    return null;
  }
  const isSame = ours === theirs || (ours !== undefined && theirs !== undefined && Number(ours) === Number(theirs));
  return isSame ? null : path;
}

function trouble(text) {
  element("trouble").hidden = false;
  element("trouble").textContent = text;
}

async function openCube() {
  const data = element("cube");
  if (!data) {
    noCube = embedded.cube_left_out ? `Filters and charts by minute are not in this page: ${visible(embedded.cube_left_out)}.` : "Filters and charts by minute need the data of a run: this page was made from a report without it.";
    return;
  }
  try {
    cube = await Borehole.open(data.textContent);
    whole = cube.select({ from: null, to: null, filter: {} });
    if (!cube.hours) {
      cube = null;
      noCube = "There is nothing to choose from: no request was counted.";
      return;
    }
    const found = difference(whole.report.totals, embedded.totals, "");
    if (found) trouble(`The data inside this page does not give the figures of its report (${visible(found)} differs). Do not rely on filtered figures.`);
  } catch (error) {
    cube = null;
    noCube = "Filters and charts by minute are off: the data inside this page cannot be read here.";
    trouble(`${noCube} ${visible(String(error && error.message || error))}`);
  }
}

function setLook(name) {
  const isDark = name === "dark" || (name === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.look = isDark ? "dark" : "light";
}

// The browser may refuse storage to a file: then the look lasts as long as the page.
function remembered(name) {
  try {
    if (name) localStorage.setItem("borehole.look", name);
    return localStorage.getItem("borehole.look") || "auto";
  } catch {
    return name || "auto";
  }
}

const rebuild = () => { for (const chart of charts.values()) build(chart); };

function listen() {
  const lookSwitch = element("look");
  lookSwitch.value = remembered();
  if (!lookSwitch.value) lookSwitch.value = "auto";
  const applyLook = () => {
    setLook(lookSwitch.value);
    rebuild();
  };
  lookSwitch.addEventListener("change", () => {
    remembered(lookSwitch.value);
    applyLook();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyLook);
  setLook(lookSwitch.value);
  element("zone").addEventListener("change", (event) => {
    local = event.target.value === "local";
    if (zoom) zoomTo(zoom);
    changed();
  });
  const typed = () => chooseRange(fromInput(element("from").value), fromInput(element("to").value));
  element("from").addEventListener("change", typed);
  element("to").addEventListener("change", typed);
  element("reset").addEventListener("click", reset);
  element("unzoom").addEventListener("click", () => zoomTo(null));
  element("use-zoom").addEventListener("click", () => chooseRange(Math.floor(zoom.from / HOUR), Math.ceil(zoom.to / HOUR)));
  element("bar").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll(".filter[open]")) if (!open.contains(event.target)) open.open = false;
  });
  addEventListener("hashchange", () => {
    readHash();
    showChoice();
    draw();
  });
  let waiting = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(rebuild);
  });
  addEventListener("beforeprint", () => {
    setLook("light");
    for (const chart of charts.values()) {
      build(chart);
      // The width of a page of paper in CSS pixels, less its margins.
      chart.plot.setSize({ width: 660, height: chart.plot.height });
    }
  });
  addEventListener("afterprint", applyLook);
}

async function start() {
  await openCube();
  nameModels();
  listen();
  readHash();
  if (cube) element("filters").append(...cube.dimensions.filter((dimension) => cube.values[dimension].length > 1).map(filterMenu));
  for (const id of ["from", "to"]) element(id).disabled = !cube;
  for (const id of ["switches", "bar", "page"]) element(id).hidden = false;
  showChoice();
  draw();
  root.dataset.ready = "true";
}

start().catch((error) => trouble(`This page could not be drawn: ${visible(String(error && error.message || error))}`));
})();
