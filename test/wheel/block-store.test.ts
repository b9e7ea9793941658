import { describe, expect, it } from 'vitest'
import { BlockStore } from '../../src/wheel/block-store.ts'

describe('BlockStore', () => {
  it('takes shared memory of the usual size, or larger when asked', () => {
    const store = new BlockStore({ blockBytes: 1024 })
    const usual = store.take(10)
    const large = store.take(5000)
    expect(store.bytes(usual).length).toBe(1024)
    expect(store.bytes(large).length).toBe(5000)
    expect(store.bytes(usual).buffer).toBeInstanceOf(SharedArrayBuffer)
    expect(store.bytes(usual)).toBe(store.bytes(usual))
    expect(store.heldBytes).toBe(6024)
    const byDefault = new BlockStore()
    expect(byDefault.bytes(byDefault.take()).length).toBe(2 ** 20)
  })

  it('keeps a block until it is let go and nothing in it is retained', () => {
    const store = new BlockStore({ blockBytes: 1024, spareBlocksMax: 0 })
    const block = store.take(1)
    store.retain(block, 100)
    store.release(block, 100)
    expect(store.heldBytes).toBe(1024)
    store.retain(block, 60)
    store.retain(block, 40)
    store.letGo(block)
    store.release(block, 60)
    expect(store.retainedBytes(block)).toBe(40)
    expect(store.heldBytes).toBe(1024)
    store.release(block, 40)
    expect(store.heldBytes).toBe(0)
    expect(() => store.bytes(block)).toThrow('no such block')
  })

  it('frees an unused block when it is let go', () => {
    const store = new BlockStore({ blockBytes: 1024 })
    const block = store.take(1)
    store.letGo(block)
    expect([store.heldBytes, store.spareBytes]).toEqual([0, 1024])
  })

  it('uses numbers and spares again only after they are freed', () => {
    const store = new BlockStore({ blockBytes: 1024, spareBlocksMax: 1 })
    const [first, second, large] = [store.take(1), store.take(1), store.take(2048)]
    const memory = store.bytes(first).buffer
    expect(new Set([first, second, large]).size).toBe(3)
    store.letGo(large)
    store.letGo(first)
    store.letGo(second)
    expect([store.heldBytes, store.spareBytes]).toEqual([0, 1024])
    const again = store.take(1)
    expect([first, second, large]).toContain(again)
    expect(store.bytes(again).buffer).toBe(memory)
    expect([store.heldBytes, store.spareBytes]).toEqual([1024, 0])
  })

  it('names blocks that are let go and less than a quarter retained', () => {
    const store = new BlockStore({ blockBytes: 1000 })
    const [open, low, enough, gone] = [store.take(1), store.take(1), store.take(1), store.take(1)]
    store.retain(open, 1)
    store.retain(low, 249)
    store.retain(enough, 250)
    for (const block of [low, enough, gone]) store.letGo(block)
    expect([...store.sparse()]).toEqual([low])
  })

  it('refuses to release more than is retained, and to let go twice', () => {
    const store = new BlockStore({ blockBytes: 1000 })
    const block = store.take(1)
    store.retain(block, 10)
    expect(() => store.release(block, 11)).toThrow('more bytes released')
    expect(() => store.retain(block, -1)).toThrow('no such number')
    store.letGo(block)
    expect(() => store.letGo(block)).toThrow('already')
    expect(() => new BlockStore({ blockBytes: 0 })).toThrow('no blocks')
  })
})
