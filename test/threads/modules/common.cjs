module.exports = async (task, context) => {
  context.scheduleNext({ queue: 'report', delay: 0, payload: `common ${task.payload.text}` })
}
