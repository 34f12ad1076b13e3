// @ts-check
// JSON whose numbers stay as they were written. To a trainer 1.0 and 1 are two values (all features,
// and one of them); to JavaScript they are one.

// It begins what stands for a number. The service takes no text with this character.
const MARK = "\u0000";

const TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const MARKED = /"\\u0000([^"]*)"/g;

/** @param {string} text @returns {any} what it says, each number as a marked text */
export const read = (text) => JSON.parse(
  text.replace(TEXT_OR_NUMBER, (part) => (part.startsWith('"') ? part : `"\\u0000${part}"`)));

/** @param {any} value as `read` gives it @param {number} [indent] @returns {string} */
export const write = (value, indent) => JSON.stringify(value, null, indent).replace(MARKED, "$1");

/** @param {any} value as `read` gives it @returns {string} a text as it is, and all else as JSON */
export const told = (value) =>
  (typeof value === "string" && !value.startsWith(MARK) ? value : write(value));
