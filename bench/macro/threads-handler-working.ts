/** The other handler of threads-handler.ts, as the default export of a module of its own. */

export { working as default } from './threads-handler.ts'
