// test/wasi.mjs - runs a WebAssembly program that sees the current folder: node --no-warnings test/wasi.mjs PROGRAM ARGUMENT...
// SPDX-License-Identifier: MIT
import { readFileSync } from 'node:fs'
import { WASI } from 'node:wasi'

const wasi = new WASI({ version: 'preview1', args: process.argv.slice(2), preopens: { '.': '.' } })
const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), wasi.getImportObject())
process.exitCode = wasi.start(instance)
