/* test/fault.c - a library that kills a program at one of its file calls, or makes that call fail.
 * Linux, glibc. cc -shared -fPIC -o fault.so test/fault.c -ldl; LD_PRELOAD=./fault.so PROGRAM ...
 * test/crash.c drives it. SPDX-License-Identifier: MIT
 *
 * The calls of stdio on files other than the three standard streams, rename and remove are counted
 * from 1. In the environment:
 *   FAULT_AT=N         the call that is meant
 *   FAULT_DO=before    SIGKILL before it, or
 *            half      once half of its bytes are in the file (if it writes none: after it), or
 *            after     after it (bytes that stdio still holds are lost), or
 *            fail      it fails: reads and writes after half of their bytes; or
 *            no room   it and all later calls that write fail
 *   FAULT_REPLACE=no   rename refuses to replace a file that is there, as on Windows
 *   FAULT_CLOCK=S      every call of time() is S seconds after the one before
 *   FAULT_SLEEP=US     opens, closes, renames and removals wait at random, up to US microseconds
 *   FAULT_LOG=FILE     at exit, a letter per call: o open to read, c open to write, r read,
 *                      w write, f flush, x close, m rename, d remove */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NOTHING, BEFORE, HALF, AFTER, FAIL, NO_ROOM };

static long at, calls;
static int what, keeps_targets;
static long clock_step, longest_sleep;
static unsigned int luck;
static const char *log_file;
static char *letters;

/* The functions that the program would have called. */
static struct {
  FILE *(*fopen)(const char *, const char *);
  size_t (*fread)(void *, size_t, size_t, FILE *);
  size_t (*fwrite)(const void *, size_t, size_t, FILE *);
  int (*fgetc)(FILE *), (*fflush)(FILE *), (*fclose)(FILE *);
  int (*fputc)(int, FILE *);
  char *(*fgets)(char *, int, FILE *);
  int (*rename)(const char *, const char *), (*remove)(const char *);
  time_t (*time)(time_t *);
} real;
#define FIND(function) (*(void **)&real.function = dlsym(RTLD_NEXT, #function))

__attribute__((constructor)) static void begin(void)
{
  const char *s = getenv("FAULT_DO");
  if (s)
    what = *s == 'b' ? BEFORE : *s == 'h' ? HALF : *s == 'a' ? AFTER : *s == 'n' ? NO_ROOM : FAIL;
  if ((s = getenv("FAULT_AT")) != NULL) at = atol(s);
  if ((s = getenv("FAULT_CLOCK")) != NULL) clock_step = atol(s);
  if ((s = getenv("FAULT_SLEEP")) != NULL) longest_sleep = atol(s);
  luck = (unsigned int)getpid();
  keeps_targets = getenv("FAULT_REPLACE") != NULL;
  log_file = getenv("FAULT_LOG");
  FIND(fopen), FIND(fread), FIND(fwrite), FIND(fgetc), FIND(fflush), FIND(fclose);
  FIND(fputc), FIND(fgets), FIND(rename), FIND(remove), FIND(time);
}

__attribute__((destructor)) static void end(void)
{
  int file = log_file ? open(log_file, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
  if (file < 0) return;
  if (write(file, letters, (size_t)calls) != calls) _exit(3);
  close(file);
}

static void die(void)
{
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* Counts a call; says what is to be done at it. Kills if that is to be before it. */
static int count(char letter)
{
  if (log_file) {
    if (calls % 4096 == 0) letters = realloc(letters, (size_t)calls + 4096);
    letters[calls] = letter;
  }
  if (longest_sleep > 0 && !strchr("rwf", letter))
    usleep((unsigned int)(rand_r(&luck) % longest_sleep));
  calls++;
  if (what == NO_ROOM) return calls >= at && strchr("cwf", letter) ? FAIL : NOTHING;
  if (calls != at) return NOTHING;
  if (what == BEFORE) die();
  return what;
}

static int is_standard(FILE *file) { return file == stdin || file == stdout || file == stderr; }

/* The n-th failure's reason: one of those that fit. */
static int one_of(int a, int b, int c)
{
  return at % 3 == 0 || what == NO_ROOM ? a : at % 3 == 1 ? b : c;
}

/* Sets a stream's error flag, by what the stream cannot do. */
static void spoil(FILE *file, int writes, int reason)
{
  if (writes) real.fgetc(file);
  else real.fputc(0, file);
  errno = reason;
}

FILE *fopen(const char *path, const char *mode)
{
  const int writes = mode[0] != 'r', now = count(writes ? 'c' : 'o');
  FILE *file;
  if (now == FAIL) {
    errno = writes ? one_of(ENOSPC, EACCES, EMFILE) : one_of(EIO, EACCES, EMFILE);
    return NULL;
  }
  file = real.fopen(path, mode);
  if (now) die();
  return file;
}
FILE *fopen64(const char *path, const char *mode) { return fopen(path, mode); }

size_t fread(void *to, size_t size, size_t n, FILE *file)
{
  const int now = is_standard(file) ? NOTHING : count('r');
  if (now == FAIL && size > 0) {
    n = real.fread(to, 1, size * n / 2, file) / size;
    spoil(file, 0, EIO);
    return n;
  }
  n = real.fread(to, size, n, file);
  if (now) die();
  return n;
}
size_t __fread_chk(void *to, size_t room, size_t size, size_t n, FILE *file)
{
  (void)room;
  return fread(to, size, n, file);
}

int fgetc(FILE *file)
{
  const int now = is_standard(file) ? NOTHING : count('r');
  int byte;
  if (now == FAIL) {
    spoil(file, 0, EIO);
    return EOF;
  }
  byte = real.fgetc(file);
  if (now) die();
  return byte;
}
int getc(FILE *file) { return fgetc(file); }

char *fgets(char *to, int size, FILE *file)
{
  const int now = is_standard(file) ? NOTHING : count('r');
  if (now == FAIL) {
    spoil(file, 0, EIO);
    return NULL;
  }
  to = real.fgets(to, size, file);
  if (now) die();
  return to;
}

/* All writes end here: bytes to a file. Returns how many were written. */
static size_t put(const void *bytes, size_t size, FILE *file)
{
  const int now = is_standard(file) ? NOTHING : count('w');
  size_t n;
  n = real.fwrite(bytes, 1, now == HALF || now == FAIL ? size / 2 : size, file);
  if (now == HALF) real.fflush(file);
  if (now == FAIL) spoil(file, 1, one_of(ENOSPC, EIO, ENOSPC));
  else if (now) die();
  return n;
}

size_t fwrite(const void *from, size_t size, size_t n, FILE *file)
{
  return size > 0 ? put(from, size * n, file) / size : 0;
}
int fputs(const char *text, FILE *file)
{
  return put(text, strlen(text), file) == strlen(text) ? 1 : EOF;
}
int fputc(int byte, FILE *file)
{
  const unsigned char c = (unsigned char)byte;
  return put(&c, 1, file) == 1 ? c : EOF;
}
int putc(int byte, FILE *file) { return fputc(byte, file); }

int vfprintf(FILE *file, const char *format, va_list args)
{
  char *line;
  const int n = vasprintf(&line, format, args);
  const int whole = n >= 0 && put(line, (size_t)n, file) == (size_t)n;
  if (n >= 0) free(line);
  return whole ? n : -1;
}
int fprintf(FILE *file, const char *format, ...)
{
  va_list args;
  int n;
  va_start(args, format);
  n = vfprintf(file, format, args);
  va_end(args);
  return n;
}
int __vfprintf_chk(FILE *file, int flag, const char *format, va_list args)
{
  (void)flag;
  return vfprintf(file, format, args);
}
int __fprintf_chk(FILE *file, int flag, const char *format, ...)
{
  va_list args;
  int n;
  (void)flag;
  va_start(args, format);
  n = vfprintf(file, format, args);
  va_end(args);
  return n;
}

int fflush(FILE *file)
{
  const int now = !file || is_standard(file) ? NOTHING : count('f');
  int result;
  if (now == FAIL) {
    spoil(file, 1, one_of(ENOSPC, EIO, ENOSPC));
    return EOF;
  }
  result = real.fflush(file);
  if (now) die();
  return result;
}

int fclose(FILE *file)
{
  const int now = is_standard(file) ? NOTHING : count('x');
  int result = real.fclose(file);
  if (now == FAIL) {
    errno = one_of(ENOSPC, EIO, EIO);
    return EOF;
  }
  if (now) die();
  return result;
}

int rename(const char *from, const char *to)
{
  const int now = count('m');
  int result;
  if (now == FAIL) {
    errno = one_of(EACCES, EIO, ENOSPC);
    return -1;
  }
  if (!keeps_targets) result = real.rename(from, to);
  else result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
  if (now) die();
  return result;
}

int remove(const char *path)
{
  const int now = count('d');
  int result;
  if (now == FAIL) {
    errno = one_of(EACCES, EIO, EACCES);
    return -1;
  }
  result = real.remove(path);
  if (now) die();
  return result;
}

time_t time(time_t *to)
{
  static time_t now;
  if (!now || !clock_step) now = real.time(NULL);
  else now += clock_step;
  if (to) *to = now;
  return now;
}
