/**
 * A daemon under load holds hundreds of requests while the memory for new objects is still small, so that nearly all of what is
 * made survives its first garbage collections. From that V8 concludes that such objects live long, and makes them old from then
 * on, whatever they are. Requests end within milliseconds all the same; but what is old is looked through for garbage rarely, and
 * until then keeps all that hangs on it. In one start out of twenty that cost a quarter of the throughput for good, in the others a
 * twentieth (docs/adr/0019).
 *
 * The flag holds for the process, so it is set by a program and not by the library.
 */

import { setFlagsFromString } from 'node:v8'

export function keepNewObjectsYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring')
}
