/* data.c - bytes in and out: errors, files written whole or not at all, IDX images, safetensors,
 * and the built-in synthetic data sets.
 *
 * Not here: what the bytes mean to a network (nn.c normalises pixels; ticket.c writes tables by
 * output_print). Every input file is hostile until checked: sizes, magic numbers, labels,
 * products that overflow, bytes left over. Multi-byte numbers are put together byte by byte, so
 * the machine's byte order never matters. SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ==== errors and memory ===================================================================== */

/* the file being written, so that a failure leaves no half of it behind */
static Output *unfinished;
static int line_is_open; /* stderr shows a line of progress without its end */
static const char *advice = "";
static void (*failure)(const char *message); /* or NULL */

void on_failure(void (*hook)(const char *message)) { failure = hook; }

/* Names out of hostile files end up in messages: control characters would make more than one
 * line of them. */
void fail_with(int status, const char *format, ...)
{
  char line[2048];
  va_list args;
  size_t i;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  for (i = 0; line[i]; i++)
    if ((unsigned char)line[i] < 32 || line[i] == 127) line[i] = '?';
  snprintf(line + i, sizeof line - i, "%s", advice);
  fflush(stdout);
  if (line_is_open) fputc('\n', stderr);
  if (!failure) fprintf(stderr, "ticket: %s\n", line);
  if (unfinished) {
    if (unfinished->file) fclose(unfinished->file);
    remove(unfinished->temporary);
  }
  unfinished = NULL; /* the hook may go on with something else */
  line_is_open = 0;
  advice = "";
  if (failure) failure(line);
  exit(status);
}

void show_progress(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  fputc('\r', stderr);
  vfprintf(stderr, format, args);
  va_end(args);
  fflush(stderr);
  line_is_open = format[strlen(format) - 1] != '\n';
}

/* Whether it is time to say something again; then `left` is how long it will take. */
static int is_time(Clock *clock, double share, char left[64])
{
  const time_t now = time(NULL);
  const double passed = difftime(now, clock->begun), rest = passed * (1 - share) / (share + 1e-9);
  const long seconds = rest < 1e8 ? (long)rest : 100000000L;
  if (clock->quiet || difftime(now, clock->shown) < (passed < 200    ? 1
                                                     : passed < 6000 ? passed / 200
                                                                     : 30))
    return 0;
  clock->shown = now;
  *left = 0;
  if (passed >= 2) /* earlier it would be a guess */
    sprintf(left, "%ld:%02ld:%02ld left", seconds / 3600, seconds / 60 % 60, seconds % 60);
  return 1;
}

void show_training(Clock *clock, const Progress *p, double share, const char *what)
{
  char left[64];
  if (!is_time(clock, share, left)) return;
  show_progress("%s  epoch %ld/%ld  loss %.4f  error %.2f%%  %s   ", what, p->epoch + 1, p->epochs,
                (double)p->loss / (double)p->seen, 100.0 * (double)p->wrong / (double)p->seen,
                left);
}

void show_share(Clock *clock, double share, const char *what)
{
  char left[64];
  if (is_time(clock, share, left)) show_progress("%s  %.0f%%  %s   ", what, 100 * share, left);
}

void notice(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%sticket: ", line_is_open ? "\n" : "");
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  line_is_open = 0;
}

void advise(const char *text) { advice = text; }

static const char *reason(void) { return errno ? strerror(errno) : "the system gives no reason"; }

void *allocate(size_t count, size_t size, const char *what)
{
  void *memory = NULL;
  if (count == 0 || size == 0) count = size = 1;
  if (count <= SIZE_MAX / size) memory = calloc(count, size);
  if (!memory) fail("not enough memory for %s: %zu times %zu bytes", what, count, size);
  return memory;
}

void *copy_of(const void *values, size_t n, size_t count, size_t size, const char *what)
{
  void *copy = allocate(count, size, what);
  return n > 0 ? memcpy(copy, values, n * size) : copy;
}

char *join(const char *a, const char *between, const char *b)
{
  char *joined = allocate(strlen(a) + strlen(between) + strlen(b) + 1, 1, "a file name");
  strcpy(joined, a);
  strcat(joined, between);
  return strcat(joined, b);
}

const char *decimals(char text[64], float x)
{
  sprintf(text, is_finite(x) ? "%.6f" : "-", (double)x);
  return text;
}

const char *short_decimals(char text[64], float x)
{
  sprintf(text, is_finite(x) ? "%.6g" : "-", (double)x);
  return text;
}

const char *percent(char text[32], size_t n, size_t d)
{
  const uint64_t share = ((uint64_t)n * 1000000 + d / 2) / d;
  sprintf(text, "%lu.%04lu", (unsigned long)(share / 10000), (unsigned long)(share % 10000));
  return text;
}

/* ==== files ================================================================================= */

/* after the name of a file that is being replaced where rename cannot do it */
#define ASIDE ".old.tmp"

/* 2 GB: more than any data set or checkpoint here has */
static const size_t READ_LIMIT = 0x7fffffff;

/* Whether the newest fopen failed because nothing is there. C99 does not name that reason, all
 * systems do: what cannot be opened for another reason must not be taken for absent. */
static int is_absent(void)
{
#ifdef ENOENT
  return errno == ENOENT;
#else
  return 1;
#endif
}

/* NULL if the file is not there; fails if it cannot be opened. */
static FILE *open_if_there(const char *path)
{
  FILE *file;
  errno = 0;
  file = fopen(path, "rb");
  if (!file && !is_absent()) fail("%s: cannot open: %s", path, reason());
  return file;
}

/* The same of a result, whose replacement a process may have been killed in (`replace`). */
static FILE *open_result(const char *path)
{
  char *aside = join(path, "", ASIDE);
  FILE *file = open_if_there(path), *old = file ? NULL : open_if_there(aside);
  if (old) {
    fclose(old);
    if (rename(aside, path) == 0 || !is_absent()) file = open_if_there(path);
    if (!file) fail("%s: cannot be put back from %s: %s", path, aside, reason());
  }
  free(aside);
  return file;
}

int file_exists(const char *path)
{
  FILE *file = open_result(path);
  if (file) fclose(file);
  return file != NULL;
}

/* In growing pieces, because neither a pipe's length nor that of a file above 2 GB can be asked
 * for in C99. */
static unsigned char *read_all(FILE *file, const char *path, size_t *size)
{
  unsigned char *bytes = NULL, *grown;
  size_t room = 1 << 16, n = 0;
  for (;;) {
    grown = realloc(bytes, room + 1);
    if (!grown) fail("%s: not enough memory to read %zu bytes", path, room);
    bytes = grown;
    n += fread(bytes + n, 1, room - n, file);
    if (n < room) break;
    if (room == READ_LIMIT) fail("%s: is larger than 2 GB; no file that ticket reads is", path);
    room = room > READ_LIMIT / 2 ? READ_LIMIT : 2 * room;
  }
  if (ferror(file)) fail("%s: cannot read: %s", path, reason());
  fclose(file);
  bytes[n] = 0;
  *size = n;
  return bytes;
}

unsigned char *read_file(const char *path, size_t *size)
{
  FILE *file;
  errno = 0;
  file = fopen(path, "rb");
  if (!file) fail("%s: cannot open: %s", path, reason());
  return read_all(file, path, size);
}

unsigned char *read_result(const char *path, size_t *size)
{
  FILE *file = open_result(path);
  return file ? read_all(file, path, size) : NULL;
}

/* and not a folder: some systems open those, but read nothing */
static int is_readable_file(const char *path)
{
  FILE *file = fopen(path, "rb");
  int readable = file && (fgetc(file) != EOF || !ferror(file));
  if (file) fclose(file);
  return readable;
}

void remove_file(const char *path)
{
  errno = 0;
  if (remove(path) == 0 || !file_exists(path)) return;
  errno = 0;
  if (remove(path) != 0) fail("%s: cannot be removed: %s; remove it", path, reason());
}

/* A number that no other process has, as far as C99 can tell: two that write the same file must not
 * write into the same temporary one. Random bytes of the system where there are any, else when and
 * where this process runs. */
static uint64_t process_number(void)
{
  static uint64_t number;
  struct {
    unsigned char random[16];
    size_t drawn;
    time_t second;
    clock_t moment;
    void *heap, *stack;
  } mixed;
  FILE *file;
  if (number != 0) return number;
  memset(&mixed, 0, sizeof mixed);
  file = fopen("/dev/urandom", "rb");
  if (file) {
    setvbuf(file, NULL, _IONBF, 0);
    mixed.drawn = fread(mixed.random, 1, sizeof mixed.random, file);
    fclose(file);
  }
  mixed.second = time(NULL);
  mixed.moment = clock();
  mixed.heap = allocate(1, 1, "a number");
  mixed.stack = &mixed;
  number = fnv1a(FNV_START, &mixed, sizeof mixed) | 1;
  free(mixed.heap);
  return number;
}

void output_open(Output *out, const char *path)
{
  char ending[16];
  sprintf(ending, "%08lx.tmp", (unsigned long)(process_number() >> 32));
  out->path = join(path, "", "");
  out->temporary = join(path, ".", ending);
  errno = 0;
  out->file = fopen(out->temporary, "wb");
  if (!out->file) fail("%s: cannot be created: %s", path, reason());
  unfinished = out;
}

static void cannot_write(const Output *out)
{
  fail("%s: cannot be written: %s; what was there is unchanged", out->path, reason());
}

void output_bytes(Output *out, const void *bytes, size_t size)
{
  errno = 0;
  if (size && fwrite(bytes, 1, size, out->file) != size) cannot_write(out);
}

void output_print(Output *out, const char *format, ...)
{
  va_list args;
  int n;
  errno = 0;
  va_start(args, format);
  n = vfprintf(out->file, format, args);
  va_end(args);
  if (n < 0) cannot_write(out);
}

/* Renames `from` to `to`, replacing what is there: 1, or 0 if it cannot be done. C99 lets rename
 * refuse to replace, and Windows does; then the old file steps aside. Whenever this is stopped,
 * `to` is the old or the new file, or the old one lies aside, where file_exists finds it. */
static int replace(const char *from, const char *to, const char *aside)
{
  int tries, why = 0;
  for (tries = 0; tries < 4; tries++) { /* another process may do the same at the same time */
    errno = 0;
    if (rename(from, to) == 0) return tries == 0 || !is_readable_file(aside) || remove(aside) == 0;
    if (tries == 0) why = errno;
    if (rename(to, aside) != 0 && is_readable_file(to)) remove(aside); /* was left by one killed */
  }
  rename(aside, to);
  errno = why;
  return 0;
}

void output_close(Output *out)
{
  FILE *file = out->file;
  char *aside = join(out->path, "", ASIDE);
  errno = 0;
  if (fflush(file) != 0 || ferror(file)) cannot_write(out);
  out->file = NULL; /* gone even if fclose fails */
  if (fclose(file) != 0) cannot_write(out);
  if (!replace(out->temporary, out->path, aside)) {
    const char *why = reason();
    if (is_readable_file(aside) && !is_readable_file(out->path)) {
      unfinished = NULL; /* keep both */
      fail("%s: cannot be replaced: %s; the old file is now %s, the new one %s", out->path, why,
           aside, out->temporary);
    }
    fail("%s: cannot be replaced: %s", out->path, why);
  }
  unfinished = NULL;
  free(aside);
  free(out->path);
  free(out->temporary);
}

/* ==== safetensors =========================================================================== */
/* 8 bytes n, little endian | n bytes JSON, spaces at its end | the tensors' bytes, little
 * endian, no gaps
 *   {"__metadata__":{"key":"value",...},
 *    "name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},...}
 * A file that ticket wrote begins with its checksum, 16 hexadecimal digits: the FNV-1a of all
 * its other bytes. */

#define CHECKSUM_BEGINS "{\"__metadata__\":{\"checksum\":\""
enum { CHECKSUM_AT = 8 + sizeof CHECKSUM_BEGINS - 1, CHECKSUM_DIGITS = 16 };

/* ResNet-110 with its masks has below 1,000 tensors; every two are compared. 100 MB is the
 * format's own limit. */
enum { MAX_ENTRIES = 4096, MAX_HEADER = 100000000 };

/* A place in the header; end may be read too, it is a tensor's byte or the zero that read_file
 * appends. */
typedef struct {
  const char *path;
  const unsigned char *start, *at, *end;
} Json;

static size_t bytes_of_value(const Entry *e) { return e->type == 'F' ? 4 : 1; }

/* What files may hold, and what it becomes: floats, bytes, or values that nothing here reads. */
enum { F32, F16, BF16, F64 };
static const struct {
  const char *name;
  int type;
  size_t width; /* bytes in the file */
} stored_types[] = {{"F32", 'F', 4}, {"F16", 'F', 2},  {"BF16", 'F', 2}, {"F64", 'F', 8},
                    {"U8", 'U', 1},  {"BOOL", 'U', 1}, {"I8", 'I', 1},   {"I16", 'I', 2},
                    {"U16", 'I', 2}, {"I32", 'I', 4},  {"U32", 'I', 4},  {"I64", 'I', 8},
                    {"U64", 'I', 8}};
enum { STORED_TYPES = sizeof stored_types / sizeof stored_types[0] };

/* The value whose little-endian bytes are at `from`; *exact becomes 0 if no float equals it. */
static float stored_float(const unsigned char *from, int stored, int *exact)
{
  uint64_t bits = 0, digits;
  uint32_t sign;
  int k, exponent;
  for (k = (int)stored_types[stored].width - 1; k >= 0; k--) bits = bits << 8 | from[k];
  if (stored == F32) return float_of((uint32_t)bits);
  if (stored == BF16) return float_of((uint32_t)bits << 16);
  sign = (uint32_t)(bits >> (stored == F16 ? 15 : 63)) << 31;
  if (stored == F16) { /* 5 bits of exponent, 10 digits: products that are exact */
    const uint32_t e = bits >> 10 & 31, d = bits & 1023;
    if (e == 31) return float_of(sign | 0x7f800000u | d << 13);
    return float_of(
        sign | bits_of((float)(e > 0 ? d | 1024 : d) * float_of(((e > 0 ? e : 1) + 102) << 23)));
  }
  exponent = (int)(bits >> 52 & 2047) - 1023;
  digits = bits & 0xfffffffffffffu;
  if (exponent == 1024) return float_of(sign | 0x7f800000u | (uint32_t)(digits != 0));
  if (exponent == -1023 && digits == 0) return float_of(sign);
  k = exponent < -126 ? 29 - 126 - exponent : 29; /* digits that a float has no room for */
  digits |= (uint64_t)1 << 52;
  *exact = exponent <= 127 && k <= 52 && (digits & (((uint64_t)1 << k) - 1)) == 0;
  if (!*exact) return 0;
  digits >>= k; /* the leading one counts as 1 in the exponent */
  return float_of(sign |
                  ((uint32_t)digits + (exponent < -126 ? 0 : (uint32_t)(exponent + 126) << 23)));
}

static void json_fail(const Json *j, const char *what)
{
  fail("%s: not a safetensors file: %s at byte %zu of its header", j->path, what,
       (size_t)(j->at - j->start));
}

static int json_peek(Json *j) /* the next byte that is no white space, 0 at the end */
{
  while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r'))
    j->at++;
  return j->at < j->end ? *j->at : 0;
}

static void json_expect(Json *j, char c)
{
  char what[] = "expected ' '";
  what[10] = c;
  if (json_peek(j) != c) json_fail(j, what);
  j->at++;
}

/* Goes on to the next item of a list that `close` ends: 1 if there is one. count: items so far. */
static int json_next(Json *j, char close, int count)
{
  if (json_peek(j) != close) {
    if (count > 0) json_expect(j, ',');
    return 1;
  }
  j->at++;
  return 0;
}

static unsigned long json_hex4(Json *j)
{
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  unsigned long u = 0;
  int i;
  for (i = 0; i < 4; i++) {
    const char *digit = *j->at ? strchr(digits, *j->at) : NULL;
    if (!digit) json_fail(j, "expected four hexadecimal digits");
    u = 16 * u + (unsigned long)(digit - digits) % 16;
    j->at++;
  }
  return u;
}

/* A string, unescaped; bytes above 127 as they are. Caller frees. */
static char *json_string(Json *j)
{
  static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  static const unsigned char lead[4] = {0, 0xc0, 0xe0, 0xf0};
  const unsigned char *close;
  unsigned char *string, *out;
  json_expect(j, '"');
  close = j->at;
  while (close < j->end && *close != '"') close += *close == '\\' ? 2 : 1;
  if (close >= j->end) json_fail(j, "unfinished string");
  /* no escape is shorter than its meaning */
  string = out = allocate((size_t)(close - j->at) + 1, 1, "a string");
  while (j->at < close) { /* nothing below can step over the closing quote without failing at it */
    unsigned long u, low;
    int c = *j->at++, tail;
    const char *escape;
    if (c < 32) json_fail(j, "control character in a string");
    if (c != '\\') {
      *out++ = (unsigned char)c;
      continue;
    }
    c = *j->at++;
    escape = c ? strchr(escapes, c) : NULL;
    if (escape) {
      *out++ = (unsigned char)meant[escape - escapes];
      continue;
    }
    if (c != 'u') json_fail(j, "unknown escape");
    u = json_hex4(j);
    /* a pair of 10 bits each */
    if (u >= 0xd800 && u < 0xdc00 && j->at[0] == '\\' && j->at[1] == 'u') {
      j->at += 2;
      low = json_hex4(j);
      if (low < 0xdc00 || low > 0xdfff) json_fail(j, "half a surrogate pair");
      u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
    }
    if (u == 0 || (u >= 0xd800 && u < 0xe000))
      json_fail(j, "zero or half a surrogate pair in a string");
    /* UTF-8: the top bits, then 6 in each byte */
    tail = u < 0x80 ? 0 : u < 0x800 ? 1 : u < 0x10000 ? 2 : 3;
    *out++ = (unsigned char)(lead[tail] | u >> 6 * tail);
    while (tail-- > 0) *out++ = (unsigned char)(0x80 | (u >> 6 * tail & 63));
  }
  j->at++;
  return (char *)string;
}

/* [1,2,...]: at most `most` whole numbers; how many there are. */
static int json_sizes(Json *j, size_t *value, int most)
{
  int count;
  json_expect(j, '[');
  for (count = 0; json_next(j, ']', count); count++) {
    const unsigned char *first;
    size_t n = 0;
    json_peek(j); /* past white space */
    first = j->at;
    while (j->at < j->end && *j->at >= '0' && *j->at <= '9') {
      if (n > (SIZE_MAX - 9) / 10) json_fail(j, "number too large");
      n = 10 * n + (size_t)(*j->at++ - '0');
    }
    if (j->at == first || (*first == '0' && j->at > first + 1))
      json_fail(j, "expected a whole number");
    if (count == most) json_fail(j, "more numbers than ticket reads (4 dimensions, 2 offsets)");
    value[count] = n;
  }
  return count;
}

/* {"dtype":...,"shape":[...],"data_offsets":[begin,end]} in any order, each once. */
static void json_tensor(Json *j, Entry *e, size_t offset[2], int *stored)
{
  static const char *const properties[] = {"dtype", "shape", "data_offsets"};
  int count, d, property, seen[3] = {0, 0, 0};
  json_expect(j, '{');
  for (count = 0; json_next(j, '}', count); count++) {
    char *key = json_string(j), *type;
    property = 0;
    while (property < 3 && strcmp(key, properties[property]) != 0) property++;
    if (property == 3 || seen[property]++)
      json_fail(j, "property of a tensor that is unknown or given twice");
    free(key);
    json_expect(j, ':');
    if (property == 1) e->dims = json_sizes(j, e->shape, 4);
    if (property == 2 && json_sizes(j, offset, 2) != 2) json_fail(j, "expected two offsets");
    if (property > 0) continue;
    type = json_string(j);
    for (*stored = 0; *stored < STORED_TYPES; ++*stored)
      if (strcmp(type, stored_types[*stored].name) == 0) break;
    if (*stored == STORED_TYPES)
      fail("%s: tensor %s is of type %s; ticket reads F32, F16, BF16, F64, U8 and BOOL, so "
           "convert it",
           j->path, e->name, type);
    e->type = stored_types[*stored].type;
    free(type);
  }
  if (!seen[0] || !seen[1] || !seen[2])
    fail("%s: tensor %s lacks dtype, shape or data_offsets", j->path, e->name);
  e->size = 1;
  for (d = 0; d < e->dims; d++) {
    if (e->shape[d] > 0 && e->size > READ_LIMIT / e->shape[d])
      fail("%s: tensor %s has a shape whose product is too large", j->path, e->name);
    e->size *= e->shape[d];
  }
}

static void json_metadata(Json *j, Safetensors *s)
{
  json_expect(j, '{');
  for (; json_next(j, '}', s->pairs); s->pairs++) {
    if (s->pairs == MAX_ENTRIES) json_fail(j, "too much metadata");
    s->key[s->pairs] = json_string(j);
    if (safetensors_value(s, s->key[s->pairs])) json_fail(j, "metadata given twice");
    json_expect(j, ':');
    s->value[s->pairs] = json_string(j);
  }
}

/* Every tensor in range, no two overlapping, together as long as the data: then there is no gap
 * either. */
static void check_offsets(const Safetensors *s, size_t (*offset)[2], const int *stored, size_t data,
                          const char *path)
{
  size_t total = 0;
  int i, k;
  for (i = 0; i < s->entries; i++) {
    const Entry *e = &s->entry[i];
    size_t begin = offset[i][0], end = offset[i][1], width = stored_types[stored[i]].width;
    if (begin > end || end > data)
      fail("%s: truncated, or tensor %s is not where the header says", path, e->name);
    if ((end - begin) % width || (end - begin) / width != e->size)
      fail("%s: tensor %s has a shape of %zu values but %zu bytes", path, e->name, e->size,
           end - begin);
    for (k = 0; k < i; k++) {
      if (strcmp(s->entry[k].name, e->name) == 0)
        fail("%s: two tensors are called %s", path, e->name);
      if (begin < offset[k][1] && offset[k][0] < end)
        fail("%s: tensors %s and %s overlap", path, s->entry[k].name, e->name);
    }
    total += end - begin;
  }
  if (total != data)
    fail("%s: %zu bytes of tensors in %zu bytes of data: some are left over", path, total, data);
}

/* The FNV-1a of all bytes but the checksum's own digits. */
static uint64_t checksum_of(const unsigned char *bytes, size_t size)
{
  const size_t rest = CHECKSUM_AT + CHECKSUM_DIGITS;
  return fnv1a(fnv1a(FNV_START, bytes, CHECKSUM_AT), bytes + rest, size - rest);
}

/* Fails if the file has a checksum that does not fit; notes whether it has one. */
static void verify_checksum(Safetensors *s, const unsigned char *bytes, size_t size,
                            const char *path)
{
  const size_t length = sizeof CHECKSUM_BEGINS - 1;
  char digits[CHECKSUM_DIGITS + 1];
  if (size < CHECKSUM_AT + CHECKSUM_DIGITS || memcmp(bytes + 8, CHECKSUM_BEGINS, length) != 0)
    return;
  if (memcmp(bytes + CHECKSUM_AT, digest_text(digits, checksum_of(bytes, size)), CHECKSUM_DIGITS) !=
      0)
    fail("%s: was changed or damaged: its checksum does not fit", path);
  s->checked = 1;
}

/* The values of an entry from the bytes at `from`. */
static void read_values(Entry *e, const unsigned char *from, int stored, const char *path)
{
  const size_t floats = e->type == 'F' ? e->size : 0;
  size_t k;
  int exact = 1;
  e->data = allocate(e->size, bytes_of_value(e), e->name);
  if (e->type == 'U') memcpy(e->data, from, e->size);
  for (k = 0; k < floats; k++) { /* memcpy, so that not even a signalling NaN changes */
    const float x = stored_float(from + k * stored_types[stored].width, stored, &exact);
    memcpy((float *)e->data + k, &x, sizeof x);
    if (!exact)
      fail("%s: value %zu of tensor %s is an F64 that no F32 equals; ticket does not round it, so "
           "convert it",
           path, k, e->name);
  }
}

/* The tensors and metadata of a file's bytes, which it frees. */
static void read_bytes(Safetensors *s, unsigned char *bytes, size_t size, const char *path)
{
  size_t(*offset)[2] = allocate(MAX_ENTRIES, sizeof *offset, "offsets");
  int *stored = allocate(MAX_ENTRIES, sizeof *stored, "types");
  uint64_t header = 0;
  int i, count, described = 0;
  Json j;
  if (size < 8) fail("%s: not a safetensors file: %zu bytes are too few for a header", path, size);
  for (i = 7; i >= 0; i--) header = header << 8 | bytes[i];
  if (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "\200\2", 2) == 0)
    fail("%s: is a file of torch.save; write it anew by "
         "safetensors.torch.save_file(module.state_dict(), NAME)",
         path);
  if (memcmp(bytes, "\037\213", 2) == 0) fail("%s: is compressed; gunzip it", path);
  if (header > MAX_HEADER) fail("%s: is not a safetensors file", path);
  if (header > size - 8)
    fail("%s: truncated: %zu bytes, its header has %lu", path, size, (unsigned long)header);
  j.path = path;
  j.start = j.at = bytes + 8;
  j.end = j.start + header;
  memset(s, 0, sizeof *s);
  s->entry = allocate(MAX_ENTRIES, sizeof *s->entry, "tensors");
  s->key = allocate(MAX_ENTRIES, sizeof *s->key, "metadata");
  s->value = allocate(MAX_ENTRIES, sizeof *s->value, "metadata");
  json_expect(&j, '{');
  for (count = 0; json_next(&j, '}', count); count++) {
    char *name = json_string(&j);
    json_expect(&j, ':');
    if (strcmp(name, "__metadata__") == 0) {
      if (described++) json_fail(&j, "__metadata__ given twice");
      json_metadata(&j, s);
    } else {
      if (s->entries == MAX_ENTRIES) json_fail(&j, "too many tensors");
      if (strlen(name) >= sizeof s->entry->name)
        fail("%s: the tensor name %.100s... is too long", path, name);
      strcpy(s->entry[s->entries].name, name);
      json_tensor(&j, &s->entry[s->entries], offset[s->entries], &stored[s->entries]);
      s->entries++;
    }
    free(name);
  }
  json_peek(&j);
  if (j.at != j.end) json_fail(&j, "bytes after the end");
  check_offsets(s, offset, stored, size - 8 - (size_t)header, path);
  verify_checksum(s, bytes, size, path);
  for (i = 0; i < s->entries; i++) read_values(&s->entry[i], j.end + offset[i][0], stored[i], path);
  free(stored);
  free(offset);
  free(bytes);
}

void safetensors_read(Safetensors *s, const char *path)
{
  size_t size;
  unsigned char *bytes = read_file(path, &size);
  read_bytes(s, bytes, size, path);
}

int safetensors_read_result(Safetensors *s, const char *path)
{
  size_t size;
  unsigned char *bytes = read_result(path, &size);
  if (bytes) read_bytes(s, bytes, size, path);
  return bytes != NULL;
}

/* Whether a tensor's name ends so; then it ends before. */
static int cut_ending(char *name, const char *ending)
{
  const size_t n = strlen(name), m = strlen(ending);
  if (n <= m || strcmp(name + n - m, ending) != 0) return 0;
  name[n - m] = 0;
  return 1;
}

/* A mask of floats or bytes becomes bytes. */
static void make_mask(Entry *e, const char *path)
{
  unsigned char *mask;
  size_t j;
  if (e->type == 'I') fail("%s: tensor %s: a mask is BOOL, U8 or F32", path, e->name);
  if (e->type == 'U') return;
  mask = allocate(e->size, 1, e->name);
  for (j = 0; j < e->size; j++) {
    const float x = ((const float *)e->data)[j];
    mask[j] = x != 0;
    if (x != 0 && x != 1) fail("%s: tensor %s holds other values than 0 and 1", path, e->name);
  }
  free(e->data);
  e->data = mask;
  e->type = 'U';
}

/* X_orig and X_mask, as torch.nn.utils.prune leaves them, become X and mask.X. */
static void join_pruned(Safetensors *s, Entry *e, const char *path)
{
  char name[sizeof e->name];
  Entry *mask;
  size_t j;
  strcpy(name, e->name);
  if (!cut_ending(name, "_orig") || strlen(name) + 6 > sizeof name || e->type != 'F') return;
  strcpy(e->name, name);
  strcat(name, "_mask");
  mask = (Entry *)safetensors_find(s, name);
  if (!mask || mask->size != e->size)
    fail("%s: has tensor %s_orig but no %s of its shape", path, e->name, name);
  make_mask(mask, path);
  for (j = 0; j < e->size; j++)
    if (!((const unsigned char *)mask->data)[j]) ((float *)e->data)[j] = 0;
  sprintf(mask->name, "mask.%.*s", (int)(sizeof mask->name - sizeof "mask."), e->name);
}

void safetensors_adopt(Safetensors *s, const char *path)
{
  static const char *const wrappers[] = {"module.", "_orig_mod.", "model."};
  int i, k, kept = 0;
  for (i = 0; i < s->entries; i++) {
    Entry *e = &s->entry[i];
    for (k = 0; k < 4; k++) { /* one in the other, at most twice */
      const size_t n = strlen(wrappers[k % 2]);
      if (strncmp(e->name, wrappers[k % 2], n) == 0)
        memmove(e->name, e->name + n, strlen(e->name + n) + 1);
    }
    if (cut_ending(e->name, ".num_batches_tracked")) free(e->data);
    else s->entry[kept++] = *e;
  }
  s->entries = kept;
  for (i = 0; i < s->entries; i++) join_pruned(s, &s->entry[i], path);
  for (i = 0; i < s->entries; i++) {
    if (strncmp(s->entry[i].name, "mask.", 5) == 0) make_mask(&s->entry[i], path);
    if (safetensors_find(s, s->entry[i].name) != &s->entry[i])
      fail("%s: two tensors are called %s once their prefixes are taken off", path,
           s->entry[i].name);
  }
}

/* Writes `string` at `to` in quotes; where it ends. At most 6 bytes per character and the
 * quotes. */
static char *put_quoted(char *to, const char *string)
{
  *to++ = '"';
  for (; *string; string++) {
    unsigned c = (unsigned char)*string;
    if (c < 32) to += sprintf(to, "\\u%04x", c);
    else {
      if (c == '"' || c == '\\') *to++ = '\\';
      *to++ = *string;
    }
  }
  *to++ = '"';
  return to;
}

/* Writes the values of e at `to` as the file has them. */
static void put_values(unsigned char *to, const Entry *e)
{
  size_t k;
  if (e->type != 'F') {
    memcpy(to, e->data, e->size);
    return;
  }
  for (k = 0; k < e->size; k++) { /* memcpy, so that not even a signalling NaN changes */
    uint32_t u;
    int i;
    memcpy(&u, (const float *)e->data + k, sizeof u);
    for (i = 0; i < 4; i++) *to++ = (unsigned char)(u >> 8 * i & 255);
  }
}

/* Writes the header at `to`, which may begin with the checksum's place; where it ends.
 * offset[i]: of entry i in the data. */
static char *put_header(char *to, const Safetensors *s, const size_t *offset)
{
  const char *const start = to;
  int i, d;
  to += sprintf(to, "%s%.*s\"", CHECKSUM_BEGINS, CHECKSUM_DIGITS, "0000000000000000");
  for (i = 0; i < s->pairs; i++) {
    if (strcmp(s->key[i], "checksum") == 0) continue; /* of the file that it was read from */
    *to++ = ',';
    to = put_quoted(to, s->key[i]);
    *to++ = ':';
    to = put_quoted(to, s->value[i]);
  }
  *to++ = '}';
  for (i = 0; i < s->entries; i++) {
    const Entry *e = &s->entry[i];
    *to++ = ',';
    to = put_quoted(to, e->name);
    to += sprintf(to, ":{\"dtype\":\"%s\",\"shape\":[", e->type == 'F' ? "F32" : "U8");
    for (d = 0; d < e->dims; d++) to += sprintf(to, d ? ",%zu" : "%zu", e->shape[d]);
    to += sprintf(to, "],\"data_offsets\":[%zu,%zu]}", offset[i],
                  offset[i] + bytes_of_value(e) * e->size);
  }
  *to++ = '}';
  while ((to - start) % 8) *to++ = ' ';
  return to;
}

/* The header keeps the order of the entries. In the data F32 comes before U8, so that floats
 * start at multiples of 4 for readers that map the file. */
void safetensors_write(const Safetensors *s, const char *path)
{
  size_t *offset = allocate((size_t)s->entries, sizeof *offset, "offsets"), room = 128, data = 0,
         length;
  unsigned char *header, *bytes;
  char digits[CHECKSUM_DIGITS + 1];
  Output out;
  int i, floats;
  for (floats = 1; floats >= 0; floats--)
    for (i = 0; i < s->entries; i++)
      if ((s->entry[i].type == 'F') == floats) {
        offset[i] = data;
        data += bytes_of_value(&s->entry[i]) * s->entry[i].size;
      }
  for (i = 0; i < s->pairs; i++) room += 6 * (strlen(s->key[i]) + strlen(s->value[i])) + 8;
  for (i = 0; i < s->entries; i++) /* six numbers of at most 20 digits, 50 bytes between them */
    room += 6 * strlen(s->entry[i].name) + 256;
  header = allocate(room, 1, "a header");
  length = (size_t)(put_header((char *)header, s, offset) - (char *)header);
  bytes = allocate(8 + length + data, 1, "a checkpoint");
  for (i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)length >> 8 * i & 255);
  memcpy(bytes + 8, header, length);
  for (i = 0; i < s->entries; i++) put_values(bytes + 8 + length + offset[i], &s->entry[i]);
  memcpy(bytes + CHECKSUM_AT, digest_text(digits, checksum_of(bytes, 8 + length + data)),
         CHECKSUM_DIGITS);
  output_open(&out, path);
  output_bytes(&out, bytes, 8 + length + data);
  output_close(&out);
  free(bytes);
  free(header);
  free(offset);
}

void safetensors_add(Safetensors *s, const char *prefix, const char *name, int type, int dims,
                     const size_t *shape, void *data)
{
  Entry *e = &s->entry[s->entries++];
  int d;
  sprintf(e->name, "%.40s%.*s", prefix, NAME_SIZE, name);
  e->type = type;
  e->dims = dims;
  e->size = 1;
  for (d = 0; d < dims; d++) {
    e->shape[d] = shape[d];
    e->size *= shape[d];
  }
  e->data = data;
}

void safetensors_free(Safetensors *s)
{
  int i;
  for (i = 0; i < s->entries; i++) free(s->entry[i].data);
  for (i = 0; i < s->pairs; i++) {
    free(s->key[i]);
    free(s->value[i]);
  }
  free(s->entry);
  free(s->key);
  free(s->value);
  memset(s, 0, sizeof *s);
}

const Entry *safetensors_find(const Safetensors *s, const char *name)
{
  int i;
  for (i = 0; i < s->entries; i++)
    if (strcmp(s->entry[i].name, name) == 0) return &s->entry[i];
  return NULL;
}

void safetensors_expect(const Entry *e, int type, int dims, const size_t *shape, const char *path)
{
  int d;
  if (e->type != type)
    fail("%s: tensor %s is of another type: weights are F32, F16, BF16 or F64, masks U8 or BOOL",
         path, e->name);
  if (e->dims != dims)
    fail("%s: tensor %s has %d dimensions, not %d", path, e->name, e->dims, dims);
  for (d = 0; d < dims; d++)
    if (e->shape[d] != shape[d])
      fail("%s: dimension %d of tensor %s is %zu, not %zu", path, d, e->name, e->shape[d],
           shape[d]);
}

const char *safetensors_value(const Safetensors *s, const char *key)
{
  int i;
  for (i = 0; i < s->pairs; i++)
    if (strcmp(s->key[i], key) == 0) return s->value[i];
  return NULL;
}

/* ==== tables ================================================================================ */
/* Maybe `# checksum = ` and 16 digits, the FNV-1a of all after this line | lines `# key = value` |
 * a header | rows. What lmc prints has lines `# key = value` after its rows too. */

#define TABLE_BEGINS "# checksum = "

/* Takes the next line of the file into the table. */
static void take_line(Table *t)
{
  char *line = t->rest, *end = strchr(line, '\n'), *equals;
  if (!end) fail("%s: was cut short in its line '%.40s'", t->path, line);
  *end = 0;
  t->rest = end + 1;
  if (*line != '#') {
    table_insert(t, t->columns > 0 ? t->rows + 1 : 0, line);
    return;
  }
  equals = strstr(line, " = ");
  if (!equals || line[1] != ' ')
    fail("%s: its line '%.40s' is not '# option = value'", t->path, line);
  *equals = 0;
  t->key[t->pairs] = line + 2;
  t->value[t->pairs++] = equals + 3;
}

int table_open(Table *t, const char *path, int result)
{
  const size_t length = sizeof TABLE_BEGINS - 1;
  char digits[17], *from, *to;
  size_t size, lines = 1;
  memset(t, 0, sizeof *t);
  t->path = path;
  t->text = (char *)(result ? read_result(path, &size) : read_file(path, &size));
  if (!t->text) return 0;
  t->advice = result ? ANEW : "; write it again";
  advise(t->advice);
  if (size == 0 && result) fail("%s: is empty", path);
  if (strlen(t->text) != size)
    fail("%s: is not a table that ticket wrote: it holds a zero byte", path);
  to = t->text;
  for (from = t->text; *from; from++) {
    lines += *from == '\n';
    if (result || from[0] != '\r' || from[1] != '\n') *to++ = *from; /* \r\n: an editor's */
  }
  *to = 0;
  t->key = allocate(lines, sizeof *t->key, "a table");
  t->value = allocate(lines, sizeof *t->value, "a table");
  t->rest = t->text;
  if (strncmp(t->text, TABLE_BEGINS, length) == 0) {
    take_line(t);
    digest_text(digits, fnv1a(FNV_START, t->rest, strlen(t->rest)));
    if (strcmp(t->value[0], digits) != 0)
      fail("%s: was changed or damaged: its checksum does not fit", path);
  } else if (result) {
    advise("");
    fail("%s: is not a table that ticket " TICKET_VERSION
         " wrote; choose another --out or remove it",
         path);
  }
  while (*t->rest && t->columns == 0) take_line(t);
  advise("");
  return 1;
}

void table_rows(Table *t)
{
  advise(t->advice);
  while (*t->rest) take_line(t);
  advise("");
}

void table_insert(Table *t, int row, const char *line)
{
  const size_t before = t->columns > 0 ? (size_t)t->rows + 1 : 0; /* rows, with the header */
  char *field = join(line, "", ""), **cell;
  size_t columns = 1;
  for (; *line; line++) columns += *line == '\t';
  if (before == 0) t->columns = (int)columns;
  if (columns != (size_t)t->columns)
    fail("%s: row %d does not have %d fields, as its header has", t->path, row, t->columns);
  if (before == t->capacity) {
    t->capacity = 2 * t->capacity + 16;
    cell = copy_of(t->cell, before * columns, t->capacity * columns, sizeof *cell, "a table");
    free(t->cell);
    t->cell = cell;
  }
  cell = t->cell + (size_t)row * columns;
  memmove(cell + columns, cell, (before - (size_t)row) * columns * sizeof *cell);
  while (field) {
    *cell++ = field;
    field = strchr(field, '\t');
    if (field) *field++ = 0;
  }
  t->rows = (int)before;
}

void table_remove(Table *t, int row)
{
  char **cell = t->cell + (size_t)row * (size_t)t->columns;
  free(*cell);
  memmove(cell, cell + t->columns, (size_t)(t->rows-- - row) * (size_t)t->columns * sizeof *cell);
}

/* Bytes of a row as a line with its end. */
static size_t row_size(const Table *t, int row)
{
  size_t size = 0;
  int c;
  for (c = 0; c < t->columns; c++) size += strlen(table_cell(t, row, c)) + 1;
  return size;
}

/* Writes a row at `to` as a line; where it ends. */
static char *put_row(char *to, const Table *t, int row)
{
  int c;
  for (c = 0; c < t->columns; c++)
    to += sprintf(to, "%s%c", table_cell(t, row, c), c + 1 < t->columns ? '\t' : '\n');
  return to;
}

char *table_row(const Table *t, int row)
{
  char *line = allocate(row_size(t, row) + 1, 1, "a line");
  put_row(line, t, row)[-1] = 0;
  return line;
}

void table_write(const Table *t)
{
  char digits[17], *content, *to;
  size_t size = 1;
  Output out;
  int k;
  for (k = 0; k < t->pairs; k++) size += strlen(t->key[k]) + strlen(t->value[k]) + 6;
  for (k = 0; k <= t->rows; k++) size += row_size(t, k);
  to = content = allocate(size, 1, "a table");
  for (k = 0; k < t->pairs; k++) to += sprintf(to, "# %s = %s\n", t->key[k], t->value[k]);
  for (k = 0; k <= t->rows; k++) to = put_row(to, t, k);
  output_open(&out, t->path);
  output_print(&out, "%s%s\n", TABLE_BEGINS,
               digest_text(digits, fnv1a(FNV_START, content, size - 1)));
  output_bytes(&out, content, size - 1);
  output_close(&out);
  free(content);
}

const char *table_value(const Table *t, const char *key)
{
  int k;
  for (k = 0; k < t->pairs; k++)
    if (!strcmp(t->key[k], key)) return t->value[k];
  return "-";
}

int table_column(const Table *t, const char *name)
{
  int c;
  for (c = 0; c < t->columns; c++)
    if (!strcmp(t->cell[c], name)) return c;
  return -1;
}

const char *table_cell(const Table *t, int row, int column)
{
  return column < 0 ? "-" : t->cell[(size_t)row * (size_t)t->columns + (size_t)column];
}

void table_free(Table *t)
{
  const int rows = t->columns > 0 ? t->rows + 1 : 0; /* with the header */
  int row;
  for (row = 0; row < rows; row++) free(t->cell[(size_t)row * (size_t)t->columns]);
  free(t->cell);
  free(t->key);
  free(t->value);
  free(t->text);
}

/* ==== IDX =================================================================================== */
/* 0 0 8 (unsigned byte) d | d counts, 4 bytes each, big endian | the values, last dimension
 * fastest. Images: d = 3, n rows columns, or 4, n channels rows columns; labels: d = 1, n. */

#define IMAGES_OF(set)                                                                             \
  set "-images-idx3-ubyte " set "-images.idx3-ubyte " set "-images-idx4-ubyte " set                \
      "-images.idx4-ubyte"
#define LABELS_OF(set) set "-labels-idx1-ubyte " set "-labels.idx1-ubyte"
static const char TRAIN_IMAGES[] = IMAGES_OF("train"), TRAIN_LABELS[] = LABELS_OF("train");
static const char TEST_IMAGES[] = IMAGES_OF("t10k") " " IMAGES_OF("test"); /* EMNIST says test */
static const char TEST_LABELS[] = LABELS_OF("t10k") " " LABELS_OF("test");

enum { MAX_SIDE = 1024 }; /* rows * columns < 2^20 fits any size_t */

static size_t image_size(const Dataset *data)
{
  return (size_t)(data->channels * data->height * data->width);
}

/* The bytes of a file of a data set, at least one. Caller frees. */
static unsigned char *read_set(const char *path, size_t *size)
{
  unsigned char *bytes = read_file(path, size);
  if (*size == 0) fail("%s: is empty; download it again", path);
  if (*size > 1 && bytes[0] == 0x1f && bytes[1] == 0x8b)
    fail("%s: is gzip-compressed; run gunzip (on a name that ends in .gz)", path);
  return bytes;
}

/* FOLDER NAME ENDING of the first of `names`, words between blanks, that is a file; NULL if none
 * is. Caller frees. */
static char *first_file(const char *folder, const char *names, const char *ending)
{
  for (;; names++) {
    const size_t n = strcspn(names, " ");
    char *path = allocate(strlen(folder) + n + strlen(ending) + 1, 1, "a file name");
    sprintf(path, "%s%.*s%s", folder, (int)n, names, ending);
    if (is_readable_file(path)) return path;
    free(path);
    names += n;
    if (!*names) return NULL;
  }
}

/* The file of a set, or (it cannot be opened, which will be said) its first name. Caller frees. */
static char *find_file(const char *base, const char *names)
{
  char *path = first_file(base, names, ""), *packed;
  if (path) return path;
  path = allocate(strlen(base) + strlen(names) + 1, 1, "a file name");
  sprintf(path, "%s%.*s", base, (int)strcspn(names, " "), names);
  packed = first_file(base, names, ".gz");
  if (packed) fail("%s: not there; run gunzip on %s", path, packed);
  return path;
}

/* Where the files of a set are: FOLDER and the first of `within`, words between blanks, with one of
 * `names`, maybe packed; else FOLDER and a slash. So a file of it is BASE and its name. Caller
 * frees. */
static char *find_base(const char *folder, const char *within, const char *names)
{
  const char *at = within;
  for (;; at++) {
    const size_t n = strcspn(at, " ");
    char *base = allocate(strlen(folder) + n + 1, 1, "a file name"), *found;
    sprintf(base, "%s%.*s", folder, (int)n, at);
    found = first_file(base, names, "");
    if (!found) found = first_file(base, names, ".gz");
    if (found) {
      free(found);
      return base;
    }
    free(base);
    at += n;
    if (!*at) return join(folder, "/", "");
  }
}

static void check_label(const Dataset *data, const char *path, const char *what, size_t i,
                        int label)
{
  if (label >= data->classes)
    fail("%s: label %s%zu is %d; labels are below %d", path, what, i, label, data->classes);
}

static uint32_t load_big32(const unsigned char *b)
{
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The values of an IDX file of `least` to `most` dimensions, whose counts go to count: n, of images
 * C H W too. Caller frees. */
static unsigned char *read_idx(const char *path, size_t least, size_t most, size_t count[4])
{
  const char *what = most > 1 ? "images" : "labels";
  size_t size, header, each = 1, dims, d;
  unsigned char *bytes = read_set(path, &size);
  if (size < 4) fail("%s: truncated: %zu bytes are no IDX file", path, size);
  dims = bytes[3];
  if (load_big32(bytes) >> 8 != 8 || dims < least || dims > most)
    fail("%s: not an IDX file of %s: its first bytes are %02x %02x %02x %02x, not 00 00 08 %02x: "
         "unsigned bytes, %zu dimensions",
         path, what, (unsigned)bytes[0], (unsigned)bytes[1], (unsigned)bytes[2], (unsigned)bytes[3],
         (unsigned)least, least);
  header = 4 + 4 * dims;
  if (size < header) fail("%s: truncated: %zu bytes, an IDX header has %zu", path, size, header);
  for (d = 0; d < dims; d++) count[d] = load_big32(bytes + 4 + 4 * d);
  if (count[0] == 0) fail("%s: holds no %s", path, what);
  if (dims == 4 && count[1] != 1 && count[1] != 3)
    fail("%s: images of %zu channels; ticket reads 1 or 3, before rows and columns", path,
         count[1]);
  for (d = 1; d < dims; d++) {
    if (count[d] == 0 || count[d] > MAX_SIDE)
      fail("%s: images of %zu x %zu pixels; a side has 1 to %d", path, count[dims - 2],
           count[dims - 1], MAX_SIDE);
    each *= count[d];
  }
  if (dims == 3) {
    count[3] = count[2];
    count[2] = count[1];
    count[1] = 1;
  }
  size -= header;
  if (size / each < count[0])
    fail("%s: truncated: %zu bytes after the header, expected %zu times %zu", path, size, count[0],
         each);
  if (size > count[0] * each)
    fail("%s: %zu bytes too long; download it again", path, size - count[0] * each);
  memmove(bytes, bytes + header, size);
  return bytes;
}

/* mnist, fashion, kmnist, idx: four files with MNIST's names, or what others made of them. */
static void load_idx(Dataset *data, const char *base)
{
  const int own = data->classes == 0; /* shape and classes come from the files */
  int test, largest = 0;
  for (test = 0; test < 2; test++) {
    Split *split = test ? &data->test : &data->train;
    char *images = find_file(base, test ? TEST_IMAGES : TRAIN_IMAGES);
    char *labels = find_file(base, test ? TEST_LABELS : TRAIN_LABELS);
    size_t count[4], n[4], i;
    split->pixel = read_idx(images, 3, own ? 4 : 3, count);
    split->label = read_idx(labels, 1, 1, n);
    split->n = count[0];
    if (n[0] != count[0])
      fail("%s: %zu labels, but %s has %zu images", labels, n[0], images, count[0]);
    for (i = 0; i < n[0]; i++) {
      if (!own) check_label(data, labels, "", i, split->label[i]);
      if (split->label[i] > largest) largest = split->label[i];
    }
    if (!test) {
      data->channels = (int)count[1];
      data->height = (int)count[2];
      data->width = (int)count[3];
    } else if ((size_t)data->channels != count[1])
      fail("%s: images of %zu channels, but the training images have %d", images, count[1],
           data->channels);
    else if ((size_t)data->height != count[2] || (size_t)data->width != count[3])
      fail("%s: images of %zu x %zu pixels, but the training images have %d x %d", images, count[2],
           count[3], data->height, data->width);
    free(images);
    free(labels);
  }
  if (own) data->classes = largest + 1;
}

/* The largest whole number whose square is at most x. */
static uint64_t whole_root(uint64_t x)
{
  uint64_t root = 0, bit = (uint64_t)1 << 31;
  for (; bit > 0; bit >>= 1)
    if ((root | bit) * (root | bit) <= x) root |= bit;
  return root;
}

/* Mean and deviation of the training images kept, in whole millionths of a pixel / 255, by whole
 * numbers only (CONTRACT.md 3.3): n < 2^31 pixels below 2^8, so nothing overflows 64 bits. */
static void normalise(Dataset *data)
{
  static const float million = 1000000.0f;
  const size_t plane = (size_t)(data->height * data->width), C = (size_t)data->channels;
  const uint64_t n = (uint64_t)data->train.n * plane;
  size_t c, i, j, shades = 0;
  for (c = 0; c < C; c++) {
    uint64_t sum = 0, squares = 0, whole, part, variance;
    for (i = 0; i < data->train.n; i++)
      for (j = 0; j < plane; j++) {
        const uint64_t p = data->train.pixel[(i * C + c) * plane + j];
        sum += p;
        squares += p * p;
      }
    /* of p - whole: the sum n part / 2^32, the squares' */
    whole = sum / n;
    part = (sum % n << 32) / n;
    squares = squares + whole * whole * n - 2 * whole * sum;
    variance = (squares / n << 32) + (squares % n << 32) / n - (part * part >> 32);
    data->mean[c] = (float)((2 * MILLION * sum + 255 * n) / (510 * n)) / million;
    data->deviation[c] =
        (float)((MILLION * whole_root(variance << 16) + (255 << 23)) / ((uint64_t)255 << 24)) /
        million;
    shades += variance > 0;
    if (!(data->deviation[c] > 0)) data->deviation[c] = 1.0f; /* a channel without content */
  }
  if (shades == 0)
    fail(
        "--data idx: every pixel of its training images is the same; were they numbers from 0 to 1 "
        "before they became bytes? Those go from 0 to 255");
}

/* The images of a split as an IDX file, or (dims 1) their labels. */
static void write_idx(const Dataset *data, const Split *split, const char *folder, const char *name,
                      uint32_t dims)
{
  size_t word[5] = {0x800 + dims, split->n}, d = 2;
  Output out;
  uint32_t i;
  char *path = join(folder, "/", name);
  if (dims == 4) word[d++] = (size_t)data->channels;
  word[d++] = (size_t)data->height;
  word[d] = (size_t)data->width;
  output_open(&out, path);
  for (i = 0; i < 4 * (dims + 1); i++) {
    const unsigned char byte = (unsigned char)(word[i / 4] >> (24 - 8 * (i % 4)) & 255);
    output_bytes(&out, &byte, 1);
  }
  output_bytes(&out, dims > 1 ? split->pixel : split->label,
               split->n * (dims > 1 ? image_size(data) : 1));
  output_close(&out);
  free(path);
}

/* ==== CIFAR ================================================================================= */
/* The binary versions, no header: for each image its label (CIFAR-100: the coarse one, then the
 * fine one), then the red plane, the green and the blue. */

/* Makes room for n more images, and their labels. */
static void extend(Split *split, size_t n, size_t image)
{
  unsigned char *pixel = copy_of(split->pixel, split->n, split->n + n, image, "images");
  unsigned char *label = copy_of(split->label, split->n, split->n + n, 1, "labels");
  free(split->pixel);
  free(split->label);
  split->pixel = pixel;
  split->label = label;
}

static void load_cifar(Dataset *data, const char *base)
{
  static const char *const files10[] = {"data_batch_1.bin",
                                        "data_batch_2.bin",
                                        "data_batch_3.bin",
                                        "data_batch_4.bin",
                                        "data_batch_5.bin",
                                        "test_batch.bin",
                                        NULL};
  static const char *const files100[] = {"train.bin", "test.bin", NULL};
  const char *const *file = data->classes == 10 ? files10 : files100;
  const size_t labels = file == files100 ? 2 : 1, which = data->classes == 100 ? 1 : 0,
               image = image_size(data), record = labels + image;
  for (; *file; file++) {
    Split *split = file[1] ? &data->train : &data->test;
    char *path = find_file(base, *file);
    size_t size, i;
    unsigned char *bytes = read_set(path, &size);
    if (size % record != 0)
      fail("%s: %zu bytes are not a whole number of CIFAR images of %zu bytes: truncated, too long "
           "or another format",
           path, size, record);
    extend(split, size / record, image);
    for (i = 0; i < size / record; i++) {
      const unsigned char *from = bytes + i * record;
      check_label(data, path, "of image ", i, from[which]);
      split->label[split->n] = from[which];
      memcpy(split->pixel + split->n++ * image, from + labels, image);
    }
    free(bytes);
    free(path);
  }
}

static void write_cifar(const Dataset *data, const Split *split, size_t from, size_t to,
                        const char *folder, const char *name)
{
  Output out;
  char *path = join(folder, "/", name);
  size_t i;
  output_open(&out, path);
  for (i = from; i < to; i++) {
    output_bytes(&out, split->label + i, 1);
    output_bytes(&out, split->pixel + i * image_size(data), image_size(data));
  }
  output_close(&out);
  free(path);
}

void dataset_write(const Dataset *data, const char *folder)
{
  char name[] = "data_batch_1.bin";
  size_t i;
  if (data->channels == 1 || data->own) {
    const int grey = data->channels == 1;
    write_idx(data, &data->train, folder,
              grey ? "train-images-idx3-ubyte" : "train-images-idx4-ubyte", grey ? 3 : 4);
    write_idx(data, &data->train, folder, "train-labels-idx1-ubyte", 1);
    write_idx(data, &data->test, folder, grey ? "t10k-images-idx3-ubyte" : "t10k-images-idx4-ubyte",
              grey ? 3 : 4);
    write_idx(data, &data->test, folder, "t10k-labels-idx1-ubyte", 1);
    return;
  }
  for (i = 0; i < 5; i++) {
    sprintf(name, "data_batch_%lu.bin", (unsigned long)i + 1);
    write_cifar(data, &data->train, data->train.n * i / 5, data->train.n * (i + 1) / 5, folder,
                name);
  }
  write_cifar(data, &data->test, 0, data->test.n, folder, "test_batch.bin");
}

/* ==== synthetic images ====================================================================== */
/* Ten figures of smooth strokes, bent and moved at random, among random strokes and noise. Made
 * from the random numbers RANDOM_DATA of seed 0 by contract operations only, so they are the
 * same everywhere and for every --seed. Each digit pair is a point (x, y) of a 9 x 9 grid, y
 * downwards; a space ends a stroke. */

enum { SYNTH_TRAIN = 6000, SYNTH_TEST = 2000, MAX_SPOTS = 64, MAX_PLANE = 32 * 32 };

static const char *const FIGURE[10] = {
    "41211216276776726141", /* ring */
    "41171777774141",       /* triangle */
    "726121134475672716",   /* S */
    "111171711717177777",   /* Z */
    "1177 7117",            /* X */
    "1171 4147",            /* T */
    "1144 7144 4447",       /* Y */
    "1117 7177 1474",       /* H */
    "2127 216172736424",    /* P */
    "111627677671",         /* U */
};

/* Uniform numbers one after the other from a stream. */
typedef struct {
  Stream stream;
  uint64_t next;
} Draws;

static float draw(Draws *d, float low, float high)
{
  float width = high - low, x = width * random_uniform(d->stream, d->next++);
  x = low + x;
  return x;
}

typedef struct {
  float x, y;
} Spot;

/* Corner cutting (Chaikin): each line a b becomes the points a/4 steps in from its ends; the
 * stroke's ends stay. */
static int cut_corners(Spot *p, int n)
{
  static const float quarter = 0.25f;
  Spot old[MAX_SPOTS];
  int i, made = 1;
  memcpy(old, p, (size_t)n * sizeof *p);
  for (i = 0; i + 1 < n; i++) {
    float dx = quarter * (float)(old[i + 1].x - old[i].x),
          dy = quarter * (float)(old[i + 1].y - old[i].y);
    p[made].x = old[i].x + dx;
    p[made++].y = old[i].y + dy;
    p[made].x = old[i + 1].x - dx;
    p[made++].y = old[i + 1].y - dy;
  }
  p[made++] = old[n - 1];
  return made;
}

/* The pixel at x of a row or column of `side`, or the nearest. */
static int pixel_at(float x, int side)
{
  return x < 0 ? 0 : x > (float)(side - 1) ? side - 1 : (int)x;
}

/* Ink of the line a b on a plane of side x side: 1 within `half` of it, falling to 0 one pixel
 * further out. */
static void draw_line(float *ink, int side, Spot a, Spot b, float half)
{
  float reach = half + 1.0f, dx = b.x - a.x, dy = b.y - a.y,
        length2 = (float)(dx * dx) + (float)(dy * dy);
  int left = pixel_at((a.x < b.x ? a.x : b.x) - reach, side),
      right = pixel_at((a.x < b.x ? b.x : a.x) + reach, side);
  int top = pixel_at((a.y < b.y ? a.y : b.y) - reach, side),
      bottom = pixel_at((a.y < b.y ? b.y : a.y) + reach, side), x, y;
  for (y = top; y <= bottom; y++)
    for (x = left; x <= right; x++) {
      float px = (float)x - a.x, py = (float)y - a.y, t = 0, value;
      if (length2 > 0) t = (float)((float)(px * dx) + (float)(py * dy)) / length2;
      t = t < 0 ? 0 : t > 1 ? 1.0f : t;
      px = px - (float)(t * dx);
      py = py - (float)(t * dy);
      value = reach - square_root((float)(px * px) + (float)(py * py));
      if (value > 1) value = 1.0f;
      if (value > ink[y * side + x]) ink[y * side + x] = value;
    }
}

/* How a figure's grid is bent and moved: p = shift + rotation (scale (shear (grid point))). */
typedef struct {
  float cosine, sine, scale_x, scale_y, shear, shift_x, shift_y;
} Bend;

static Bend draw_bend(Draws *d, int side)
{
  static const float turn = 0.1f, small = 0.6f, lean = 0.3f, shift = 0.15f, three_quarters = 0.75f;
  const float middle = (float)(side - 1) / 2;
  float u = draw(d, -turn, turn);
  Bend b;
  b.cosine = cosine_turns(u < 0 ? u + 1.0f : u);
  u = u + three_quarters; /* sin a = cos(a + 3/4 turns) */
  b.sine = cosine_turns(u > 1 ? u - 1.0f : u);
  b.scale_x = middle * draw(d, small, 1.0f);
  b.scale_y = middle * draw(d, small, 1.0f);
  b.shear = draw(d, -lean, lean);
  b.shift_x = middle + (float)((float)side * draw(d, -shift, shift));
  b.shift_y = middle + (float)((float)side * draw(d, -shift, shift));
  return b;
}

/* A point of a figure: two digits, each with a wobble. */
static Spot spot_of(Draws *d, const char *digits, const Bend *b)
{
  static const float wobble = 0.06f;
  float x = (float)(digits[0] - '4') / 4 + draw(d, -wobble, wobble);
  float y = (float)(digits[1] - '4') / 4 + draw(d, -wobble, wobble);
  Spot p;
  x = x + (float)(b->shear * y);
  x = b->scale_x * x;
  y = b->scale_y * y;
  p.x = b->shift_x + (float)((float)(b->cosine * x) - (float)(b->sine * y));
  p.y = b->shift_y + (float)((float)(b->sine * x) + (float)(b->cosine * y));
  return p;
}

/* The strokes of a figure. */
static void draw_figure(Draws *d, float *ink, int side, const char *figure, const Bend *b,
                        float half)
{
  Spot p[MAX_SPOTS];
  int i, n = 0;
  while (n > 0 || *figure) {
    if (*figure && *figure != ' ') {
      p[n++] = spot_of(d, figure, b);
      figure += 2;
      continue;
    }
    n = cut_corners(p, cut_corners(p, n)); /* four times the points */
    for (i = 0; i + 1 < n; i++) draw_line(ink, side, p[i], p[i + 1], half);
    n = 0;
    figure += *figure == ' ';
  }
}

/* A line that has nothing to do with the figure. */
static void draw_stray(Draws *d, float *ink, int side, float half)
{
  const float reach = (float)(side - 1) / 2 / 2;
  Spot a, b;
  a.x = draw(d, 0, (float)side);
  a.y = draw(d, 0, (float)side);
  b.x = a.x + draw(d, -reach, reach);
  b.y = a.y + draw(d, -reach, reach);
  draw_line(ink, side, a, b, half);
}

/* Image `index` of a set: its pixels and its label. In the order of the draws: the label, 9
 * numbers, how many lines are in the way, the wobble of each point, those lines, colours; then
 * noise, 4 pixels to a draw. */
static void synth_image(const Dataset *data, unsigned char *pixel, unsigned char *label,
                        uint32_t index, uint32_t set)
{
  static const float thin = 0.5f, thick = 1.2f, faint = 0.7f;
  const int side = data->width, plane = side * side;
  float ink[MAX_PLANE] = {0}, half, strength;
  int i, c, lines, colour[3] = {0, 0, 0}, change[3] = {255, 255, 255};
  Draws d = {{0, RANDOM_DATA, index, set}, 0};
  uint32_t word = 0;
  Bend bend;
  *label = (unsigned char)random_below(d.stream, &d.next, 10);
  bend = draw_bend(&d, side);
  half = draw(&d, thin, thick);
  strength = draw(&d, faint, 1.0f);
  lines = (int)random_below(d.stream, &d.next, 2);
  draw_figure(&d, ink, side, FIGURE[*label], &bend, half);
  for (; lines > 0; lines--) draw_stray(&d, ink, side, half);
  if (data->channels == 3) /* paper, and ink 96 to 159 away from it, modulo 256, in every channel */
    for (c = 0; c < 3; c++) {
      colour[c] = (int)(random_bits(d.stream, d.next++) >> 24);
      change[c] = (colour[c] + 96 + (int)(random_bits(d.stream, d.next++) >> 26)) % 256 - colour[c];
    }
  for (c = 0; c < data->channels; c++)
    for (i = 0; i < plane; i++) {
      const uint32_t k = (uint32_t)(c * plane + i);
      const float part = strength * ink[i];
      int value;
      if (k % 4 == 0) word = random_bits(d.stream, d.next + k / 4);
      value = colour[c] + (int)(float)(part * (float)change[c]) +
              (int)((word >> 8 * (k % 4) & 255) * 30 / 256);
      pixel[k] = (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

static void load_synth(Dataset *data, const char *base)
{
  const uint32_t set = data->channels == 3 ? 2 : 0;
  const size_t image = image_size(data);
  size_t i;
  (void)base;
  extend(&data->train, SYNTH_TRAIN, image);
  extend(&data->test, SYNTH_TEST, image);
  for (i = 0; i < SYNTH_TRAIN; i++)
    synth_image(data, data->train.pixel + i * image, data->train.label + i, (uint32_t)i, set);
  for (i = 0; i < SYNTH_TEST; i++)
    synth_image(data, data->test.pixel + i * image, data->test.label + i, (uint32_t)i, set + 1);
  data->train.n = SYNTH_TRAIN;
  data->test.n = SYNTH_TEST;
}

/* ==== data sets by name ===================================================================== */

/* mean and deviation: of the training set's pixels / 255; MNIST's kin as torchvision users write
 * them, CIFAR with ImageNet's as OpenLTH does.
 * The sizes of sets that are read come from their files. */
static const struct {
  const char *name;
  /* NULL: built in; else NAME:DIR. Where in DIR the files may be, and one of their names */
  const char *within, *names;
  int channels, height, width, classes;
  float mean[3], deviation[3];
  void (*load)(Dataset *data, const char *base);
} SET[] = {
/* clang-format off */
#define IMAGENET                                                                                   \
  {0.485f, 0.456f, 0.406f}, { 0.229f, 0.224f, 0.225f }
#define WITHIN "/ /raw/ "
#define CIFAR100 "/ /cifar-100-binary/ /cifar100/ /cifar100/cifar-100-binary/", "train.bin"
    {"synth", NULL, NULL, 1, 28, 28, 10, {0.2023f, 0, 0}, {0.2975f, 0, 0}, load_synth},
    {"synth-rgb", NULL, NULL, 3, 32, 32, 10, {0.5560f, 0.5533f, 0.5487f},
     {0.2754f, 0.2758f, 0.2755f}, load_synth},
    {"mnist", WITHIN "/MNIST/ /MNIST/raw/ /mnist/ /mnist/MNIST/raw/", TRAIN_IMAGES, 1, 28, 28,
     10, {0.1307f, 0, 0}, {0.3081f, 0, 0}, load_idx},
    {"fashion", WITHIN "/FashionMNIST/ /FashionMNIST/raw/ /fashion/ /fashion-mnist/",
     TRAIN_IMAGES, 1, 28, 28, 10, {0.2860f, 0, 0}, {0.3530f, 0, 0}, load_idx},
    {"kmnist", WITHIN "/KMNIST/ /KMNIST/raw/ /kmnist/", TRAIN_IMAGES, 1, 28, 28, 10,
     {0.1918f, 0, 0}, {0.3483f, 0, 0}, load_idx},
    /* DIR/emnist-letters-train-images-idx3-ubyte is of idx:DIR/emnist-letters */
    {"idx", WITHIN "-", TRAIN_IMAGES, 0, 0, 0, 0, {0, 0, 0}, {0, 0, 0}, load_idx},
    {"cifar10", "/ /cifar-10-batches-bin/ /cifar10/ /cifar10/cifar-10-batches-bin/",
     "data_batch_1.bin", 3, 32, 32, 10, IMAGENET, load_cifar},
    {"cifar100", CIFAR100, 3, 32, 32, 100, IMAGENET, load_cifar},
    {"cifar100-coarse", CIFAR100, 3, 32, 32, 20, IMAGENET, load_cifar},
};
/* clang-format on */
enum { SETS = sizeof SET / sizeof SET[0] };

/* Where the files of a set are (find_base). Fails, saying what to do, if there is only what ticket
 * does not read. */
static char *base_of(int kind, const char *folder)
{
  static const char pickles[] = "/data_batch_1 /train /cifar-10-batches-py/data_batch_1 "
                                "/cifar-100-python/train";
  static const char packed[] = "/cifar-10-binary.tar.gz /cifar-100-binary.tar.gz "
                               "/cifar-10-python.tar.gz /cifar-100-python.tar.gz";
  char *base = find_base(folder, SET[kind].within, SET[kind].names);
  char *found = first_file(base, SET[kind].names, ""), *stray = NULL;
  if (!found && SET[kind].load == load_cifar) stray = first_file(folder, pickles, "");
  if (stray)
    fail("%s: is of CIFAR's version for Python; ticket reads the binary version: download and "
         "unpack cifar-10-binary.tar.gz or cifar-100-binary.tar.gz",
         stray);
  if (!found && SET[kind].load == load_cifar) stray = first_file(folder, packed, "");
  if (stray)
    fail("%s: is packed; unpack the binary version, cifar-10-binary.tar.gz or "
         "cifar-100-binary.tar.gz, with tar xzf",
         stray);
  free(found);
  return base;
}

void dataset_load(Dataset *data, const char *spec, size_t train_size)
{
  const char *colon = strchr(spec, ':');
  size_t length = colon ? (size_t)(colon - spec) : strlen(spec);
  char known[256] = "", *base = NULL;
  int k;
  for (k = 0; k < SETS; k++) {
    if (strlen(SET[k].name) == length && strncmp(SET[k].name, spec, length) == 0) break;
    strcat(strcat(strcat(known, k ? ", " : ""), SET[k].name), SET[k].within ? ":DIR" : "");
  }
  if (k == SETS) fail_usage("%s: no such data set; there are %s", spec, known);
  if (SET[k].within && (!colon || !colon[1]))
    fail_usage("%s: say where it is: %s:DIR, DIR the folder of its files", spec, SET[k].name);
  if (!SET[k].within && colon)
    fail_usage("%s: %s is built in and takes no folder", spec, SET[k].name);
  if (colon && colon[1] == '~')
    fail_usage(
        "%s: the shell expands ~ only where a word begins; write %s:$HOME%s or the whole path",
        spec, SET[k].name, colon + 2);
  memset(data, 0, sizeof *data);
  data->name = SET[k].name;
  data->channels = SET[k].channels;
  data->height = SET[k].height;
  data->width = SET[k].width;
  data->classes = SET[k].classes;
  memcpy(data->mean, SET[k].mean, sizeof data->mean);
  memcpy(data->deviation, SET[k].deviation, sizeof data->deviation);
  data->own = colon && data->classes == 0;
  if (colon) base = base_of(k, colon + 1);
  SET[k].load(data, base);
  free(base);
  if (train_size > data->train.n)
    fail("%s: %zu training images asked for, the set has %zu", spec, train_size, data->train.n);
  if (train_size > 0) data->train.n = train_size;
  if (data->own) normalise(data);
}

void dataset_free(Dataset *data)
{
  free(data->train.pixel);
  free(data->train.label);
  free(data->test.pixel);
  free(data->test.label);
  memset(data, 0, sizeof *data);
}

uint64_t data_digest(const Dataset *data)
{
  const size_t image = (size_t)(data->channels * data->height * data->width);
  uint64_t hash = fnv1a(FNV_START, data->train.pixel, data->train.n * image);
  hash = fnv1a(hash, data->train.label, data->train.n);
  hash = fnv1a(hash, data->test.pixel, data->test.n * image);
  return fnv1a(hash, data->test.label, data->test.n);
}
