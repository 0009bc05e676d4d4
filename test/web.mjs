// test/web.mjs - fills in the form of the page of web/ in a headless Chromium, presses Start and waits for the end:
// node test/web.mjs CHROMIUM URL FOLDER FIELD=VALUE...
// writes the text of the page (page.txt), the report in it (frame.html) and all files that it offers into FOLDER.
// SPDX-License-Identifier: MIT
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [chromium, url, folder, ...fields] = process.argv.slice(2)
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe', `--user-data-dir=${folder}.profile`]
const browser = spawn(chromium, flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
const [, , , to, from] = browser.stdio

// The DevTools protocol: JSON objects, each ended by a zero byte.
const waiting = new Map()
let received = ''
from.setEncoding('utf8')
from.on('data', data => {
  const messages = (received + data).split('\0')
  received = messages.pop()
  for (const message of messages.map(text => JSON.parse(text))) waiting.get(message.id)?.(message)
})
function ask(method, params, sessionId) {
  const id = waiting.size + 1
  to.write(JSON.stringify({ id, method, params, sessionId }) + '\0')
  return new Promise((done, failed) =>
    waiting.set(id, ({ result, error }) => error || result.exceptionDetails ? failed(error || result.exceptionDetails.exception) : done(result)))
}

// In the page:
async function use(fields) {
  const until = async holds => { while (!holds()) await new Promise(done => setTimeout(done, 50)) }
  const button = document.querySelector('button')
  for (const [name, value] of fields) {
    const input = document.querySelector(`input[name=${name}]`)
    input.value = value
    input.dispatchEvent(new Event('input', { bubbles: true }))
  }
  button.click()
  await until(() => button.textContent === 'Start')
  const coded = bytes => btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''))
  const text = text => coded(new TextEncoder().encode(text))
  const files = [['page.txt', text(document.body.innerText)], ['frame.html', text(document.querySelector('iframe').srcdoc)]]
  for (const link of document.querySelectorAll('a[download]'))
    files.push([link.download, coded(new Uint8Array(await (await fetch(link.href)).arrayBuffer()))])
  return files
}

// The browser closes itself; the timer is for one that does not.
function end(error) {
  if (error) console.error(error.message || error.description || error)
  process.exitCode = error ? 1 : 0
  clearTimeout(late)
  setTimeout(() => browser.kill('SIGKILL'), 10000).unref()
  ask('Browser.close')
}
browser.on('error', error => { throw error })
const late = setTimeout(() => end('the page does not come to an end'), 300000)
try {
  const { targetId } = await ask('Target.createTarget', { url: 'about:blank' })
  const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true })
  const { errorText } = await ask('Page.navigate', { url }, sessionId)
  if (errorText) throw `${url}: ${errorText}`
  const ready = `new Promise(done => { const look = () => document.readyState === 'complete' ? done() : setTimeout(look, 50); look() })`
  const expression = `${ready}.then(() => (${use})(${JSON.stringify(fields.map(field => field.split('=')))}))`
  const { result } = await ask('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, sessionId)
  for (const [name, text] of result.value) writeFileSync(join(folder, name), text, 'base64')
  end()
} catch (error) { end(error) }
