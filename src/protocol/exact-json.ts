/**
 * JSON text in which JavaScript would change an integer: 12345678901234567890 becomes 12345678901234567000, in silence. Other languages
 * write such integers (ids, nanoseconds), so payloads from outside are looked at before they are accepted. Text that JavaScript has
 * written never has any.
 */

/** The first integer that would come out with other digits than it went in. The text must be valid JSON. */
export function changedInteger(text: string): string | undefined {
  // Fifteen digits are always kept. Few texts have more in a row, and looking for those takes little.
  if (!longDigits.test(text)) return undefined
  for (let at = 0; at < text.length; at++) {
    const letter = text.charCodeAt(at)
    if (letter === quote) at = endOfText(text, at)
    else if (letter >= zero && letter <= nine) {
      number.lastIndex = at
      const [all, digits] = number.exec(text)!
      if (all === digits && digits.length > 15 && String(Number(digits)) !== digits) return digits
      at += all.length - 1
    }
  }
  return undefined
}

/** For messages: 'the body has the integer ...'. */
export function changedText(integer: string): string {
  return `has the integer ${integer.slice(0, 40)}, which would lose digits: numbers here are those of JavaScript; give it as text`
}

const longDigits = /\d{16}/u
const number = /(\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?/uy
const [quote, backslash, zero, nine] = [0x22, 0x5c, 0x30, 0x39]

/** Where the string that begins at `from` has its closing quote. */
function endOfText(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let escapes = 0
    while (text.charCodeAt(at - 1 - escapes) === backslash) escapes++
    if (escapes % 2 === 0) return at
  }
  return text.length
}
