const quotes: readonly string[] = ['""', "''", '``', '“”', '‘’', '«»'];

/**
 * The label that an answer names, or null. White space, a final full stop and quotes around it are taken off as long as no label is
 * found; then capitals are forgiven, where that leaves one label.
 */
export function parseLabel(answer: string | null, labels: readonly string[]): string | null {
  if (answer === null) return null;
  const readings = toReadings(answer);
  const exact = readings.find((reading) => labels.includes(reading));
  if (exact !== undefined) return exact;
  for (const reading of readings) {
    const alike = labels.filter((label) => toLoose(label) === toLoose(reading));
    if (alike.length > 0) return alike.length === 1 ? alike[0]! : null;
  }
  return null;
}

/** The answer as it is, and with one more layer off each time. */
function toReadings(answer: string): string[] {
  const readings = [answer, answer.trim()];
  for (const strip of [toUnstopped, toUnquoted, toUnstopped]) {
    readings.push(strip(readings.at(-1)!).trim());
  }
  return readings;
}

function toUnstopped(text: string): string {
  return text.endsWith('.') ? text.slice(0, -1) : text;
}

/** In double quotes the answer may be a JSON string, as the prompt writes the labels. */
function toUnquoted(text: string): string {
  if (text.length < 2 || !quotes.includes(text[0]! + text.at(-1)!)) return text;
  if (text.startsWith('"')) {
    try {
      return JSON.parse(text) as string;
    } catch {
      // then it is text in quotes
    }
  }
  return text.slice(1, -1);
}

function toLoose(text: string): string {
  return text.trim().normalize('NFC').toLowerCase();
}
