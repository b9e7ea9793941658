Object.defineProperty(exports, '__esModule', { value: true })
exports.default = (task, context) => {
  context.scheduleNext({ queue: 'report', delay: 0, payload: `transpiled ${task.payload.text}` })
}
