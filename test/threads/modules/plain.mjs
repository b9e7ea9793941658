/** Reports what kind of payload it was given. */

export default function handle({ payload }, context) {
  const seen = payload === undefined ? { none: true } : { bytes: [...payload] }
  context.scheduleNext({ queue: 'report', delay: 0, payload: seen })
}
