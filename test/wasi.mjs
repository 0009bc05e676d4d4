// test/wasi.mjs - runs a WebAssembly program that sees the current folder:
// node --no-warnings --experimental-wasi-unstable-preview1 test/wasi.mjs PROGRAM ARGUMENT...  (the second flag is for node 18)
// SPDX-License-Identifier: MIT
import { readFileSync } from 'node:fs'
import { WASI } from 'node:wasi'

const wasi = new WASI({ version: 'preview1', args: process.argv.slice(2), preopens: { '.': '.' } })
const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), { wasi_snapshot_preview1: wasi.wasiImport })
process.exitCode = wasi.start(instance)
