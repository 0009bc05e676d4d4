// web/worker.js - runs commands of ticket.wasm, one after another, in one folder in memory. Receives an array of commands,
// each an array of arguments; sends {out} and {err}, what it prints, and at the end {status, files}, [name, bytes] each.
// SPDX-License-Identifier: MIT
import { ConsoleStdout, File, OpenFile, PreopenDirectory, WASI } from './shim/index.js'

function sender(name) {
  const decoder = new TextDecoder()
  return new ConsoleStdout(bytes => postMessage({ [name]: decoder.decode(bytes, { stream: true }) }))
}

onmessage = async ({ data: commands }) => {
  const folder = new Map()
  let status = 1
  try {
    const program = await WebAssembly.compile(await (await fetch('ticket.wasm')).arrayBuffer())
    for (const command of commands) {
      const open = [new OpenFile(new File([])), sender('out'), sender('err'), new PreopenDirectory('.', folder)]
      const wasi = new WASI(['ticket', ...command], [], open)
      status = wasi.start(await WebAssembly.instantiate(program, { wasi_snapshot_preview1: wasi.wasiImport }))
      if (status) break
    }
  } catch (error) {
    status = 1
    postMessage({ err: `\n${error}\n` })
  }
  postMessage({ status, files: [...folder].map(([name, file]) => [name, file.data]) })
}
