/* report.c - one HTML page with figures from result files: curves over density, steps and lines
 * between networks, heat-maps, tables, and the commands that repeat what is shown. No scripts,
 * nothing from elsewhere; every figure is inline SVG.
 *
 * Not here: measuring (nn.c, prune.c, lmc.c). Numbers are whole millionths and coordinates whole
 * tenths of a pixel, so that no compiler or processor can round a page differently. Files are
 * hostile until checked. SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ==== result files ========================================================================== */

/* 1 in millionths; not measured, not finite or above LIMIT in size */
static const int64_t ONE = 1000000, NONE = INT64_MIN;
static const int64_t LIMIT = INT64_C(10000000000000000); /* 10^10: sums of 256 of them fit */

enum { RUN, EPOCHS, STABILITY, LINE, PROBE, MATRIX, KINDS };
static const struct {
  /* how the header begins; the column of its figures' x axis */
  const char *header, *what, *x, *x_name, *section;
} kinds[KINDS] = {
    {"level\tbranch\tweights\t", "run", "density", "weights that remain (%)",
     "What is lost by pruning"},
    {"level\tbranch\tcopy\t", "training curves", "step", "training step", "How they train"},
    {"step\ttrain_instability\t", "instability", "step", "step from which copies differ",
     "When training becomes stable"},
    {"at\ttrain_loss\t", "path", "at", "place between the networks (0: first, 1: second)",
     "Between networks"},
    {"quantity\twhere\tvalue", "probe", "where", "value of the weight", "Inside networks"},
    {"network\t", "matrix", NULL, "network", "Distances"},
};
enum { TABLES = 256, PAIRS = 400, SERIES = 40, NETWORKS = 128, NAME = 400 };

typedef struct {
  char *path, *name; /* name: without .tsv */
  const char *label; /* the name without folders */
  int kind, group;   /* group: the first table that differs in its seeds only */
  int pairs, columns, rows;
  char *key[PAIRS], *value[PAIRS]; /* of comment lines `# key = value` */
  char **cell;                     /* [1 + rows][columns]: row 0 is the header */
} Table;

/* The page and all that it is made from. */
typedef struct {
  int log, ticks;
  int64_t low, high, tick[40];
} Axis;

enum { FIGURES = 32 };
typedef struct {
  Output out;
  Table table[TABLES];
  int tables;
  const char *data;      /* which set the images are read from; NULL: only built-in ones are */
  Standard *is_standard; /* whether an option has a value anyway */
  const char *heading;   /* of the section whose figures come now; NULL once it is written */
  int open;              /* a section is */
  int measuring;         /* figures are not drawn, only the axes that they share are found: */
  Axis shared[FIGURES][2];
  const char *said[FIGURES]; /* the captions that stand on the page */
  int says;
} Page;

/* What the table's comment lines say of a key, or "-". */
static const char *value_of(const Table *t, const char *key)
{
  int k;
  for (k = 0; k < t->pairs; k++)
    if (!strcmp(t->key[k], key)) return t->value[k];
  return "-";
}

/* Number of the column of that name, or -1. */
static int column(const Table *t, const char *name)
{
  int c;
  for (c = 0; c < t->columns; c++)
    if (!strcmp(t->cell[c], name)) return c;
  return -1;
}

static const char *text_at(const Table *t, int row, int c)
{
  return c < 0 ? "-" : t->cell[(size_t)row * (size_t)t->columns + (size_t)c];
}

/* The tensors without any weight left, as the row names them, or NULL. */
static const char *lost(const Table *t, int row)
{
  const char *text = text_at(t, row, column(t, "collapsed"));
  return strcmp(text, "-") != 0 ? text : NULL;
}

/* A cell's decimal number in millionths, rounded half up in size; fails if it is none. */
static int64_t number_at(const Table *t, int row, int c)
{
  static const uint64_t full = UINT64_C(100000000000000000);
  const char *const text = text_at(t, row, c), *s = text;
  uint64_t m = 0;
  int point = 0, digits = 0, places = 0;
  if (!strcmp(s, "-")) return NONE;
  s += *s == '-' || *s == '+';
  if (*s && strchr("nNiI", *s)) return NONE; /* nan, inf */
  for (; (*s >= '0' && *s <= '9') || (*s == '.' && !point); s++)
    if (*s == '.') point = 1;
    else {
      digits++;
      if (point && ++places > 6) m += places == 7 && *s >= '5';
      else m = m < full ? 10 * m + (uint64_t)(*s - '0') : full;
    }
  if (*s || digits == 0)
    fail("%s: row %d: '%.40s' is not a number; the file was changed or damaged", t->path, row,
         text);
  for (; places < 6 && m < full; places++) m *= 10;
  return m > (uint64_t)LIMIT ? NONE : *text == '-' ? -(int64_t)m : (int64_t)m;
}

/* The FNV-1a of a text whose lines may have got ends of \r\n on their way. */
static uint64_t digest_of_lines(const char *text)
{
  uint64_t hash = FNV_START;
  for (; *text; text++)
    if (text[0] != '\r' || text[1] != '\n') hash = fnv1a(hash, text, 1);
  return hash;
}

/* Reads a table of any kind; `path` and the file's text stay with it. */
static void read_table(Table *t, char *path)
{
  size_t size, j, lines = 1, tabs = 1, cells = 0;
  char *file, *line, *end, *field, digits[17];
  int c;
  memset(t, 0, sizeof *t);
  line = file = (char *)read_file(path, &size);
  if (strlen(line) != size)
    fail("%s: is not a table that ticket wrote: it holds a zero byte", path);
  for (j = 0; j < size; j++) lines += line[j] == '\n', tabs += line[j] == '\t';
  t->path = path;
  t->name = join(path, "", "");
  t->name[strlen(path) - 4] = 0;
  t->label = strrchr(t->name, '/') ? strrchr(t->name, '/') + 1 : t->name;
  t->cell = allocate(lines + tabs, sizeof *t->cell, "a table");
  for (t->rows = -1; *line; line = end + 1) {
    end = strchr(line, '\n');
    if (!end)
      fail("%s: was cut short in its line '%.40s'; wait for what writes it, or write it again",
           path, line);
    *end = 0;
    if (end > line && end[-1] == '\r') end[-1] = 0;
    if (*line == '#') {
      char *equals = strstr(line, " = ");
      if (!equals || line[1] != ' ' || t->pairs == PAIRS)
        fail("%s: its line '%.40s' is not '# option = value'; no table of ticket has it", path,
             line);
      *equals = 0;
      t->key[t->pairs] = line + 2;
      t->value[t->pairs++] = equals + 3;
      if (line != file || strcmp(t->key[0], "checksum") != 0) continue;
      digest_text(digits, digest_of_lines(end + 1));
      if (strcmp(t->value[0], digits) != 0)
        fail("%s: was changed or damaged (its checksum does not fit); write it again", path);
      continue;
    }
    if (t->rows < 0) {
      while (t->kind < KINDS &&
             strncmp(line, kinds[t->kind].header, strlen(kinds[t->kind].header)) != 0)
        t->kind++;
      if (t->kind == KINDS)
        fail("%s: is not a table of imp, train, lmc, curve, distance, probe or stability: its "
             "header is '%.40s'",
             path, line);
      for (t->columns = 1, field = line; *field; field++) t->columns += *field == '\t';
    }
    t->rows++;
    for (c = 0, field = line; field && c <= t->columns; c++) {
      char *tab = strchr(field, '\t');
      if (tab) *tab = 0;
      if (c < t->columns) t->cell[cells++] = field;
      field = tab ? tab + 1 : NULL;
    }
    if (c != t->columns)
      fail("%s: row %d does not have %d fields, as its header has; the file was damaged", path,
           t->rows, t->columns);
  }
  if (t->rows < 0) fail("%s: has no table in it; choose a result file of ticket", path);
}

/* Whether the list, which ends in NULL, has the word. */
static int among(const char *const *list, const char *word)
{
  while (*list && strcmp(*list, word) != 0) list++;
  return *list != NULL;
}

/* Whether the results of a level depend on a setting as all the group's tables have it. */
static int is_setting(const char *key)
{
  static const char *const other[] = {"seed",    "order-seed", "levels", "branches",
                                      "network", "checksum",   NULL};
  return !among(other, key);
}

/* Whether b has all settings that a has. */
static int has_settings(const Table *b, const Table *a)
{
  int k;
  for (k = 0; k < a->pairs; k++)
    if (is_setting(a->key[k]) && strcmp(value_of(a, a->key[k]), value_of(b, a->key[k])) != 0)
      return 0;
  return 1;
}

/* Reads the table of that name, and the training curves of a run. */
static void add_table(Page *p, char *path)
{
  Table *t = &p->table[p->tables];
  char *epochs;
  int k;
  for (k = 0; k < p->tables; k++)
    if (!strcmp(p->table[k].path, path)) return;
  if (p->tables == TABLES)
    fail_usage("%s: more than %d tables are too many for a page", path, TABLES);
  read_table(t, path);
  t->group = p->tables++;
  for (k = 0; k < t->group && t->kind <= STABILITY; k++) {
    const Table *other = &p->table[k];
    if (other->kind != t->kind || !has_settings(other, t) || !has_settings(t, other)) continue;
    if (!strcmp(value_of(other, "seed"), value_of(t, "seed")) &&
        !strcmp(value_of(other, "order-seed"), value_of(t, "order-seed")))
      fail("%s: is the same run as %s, seed %.40s; give one of them", path, other->path,
           value_of(t, "seed"));
    t->group = other->group;
    break;
  }
  if (t->kind != RUN) return;
  epochs = join(t->name, "", ".epochs.tsv");
  if (file_exists(epochs)) add_table(p, epochs);
}

/* ==== the page ============================================================================== */

/* Text from a file or a name, `most` bytes of it: markup is escaped, what is not printable UTF-8
 * becomes a question mark. */
static void put(Page *p, const char *s, size_t most)
{
  size_t k;
  for (; *s && most > 0; s += k, most -= k) {
    const unsigned char *u = (const unsigned char *)s;
    const size_t size = u[0] < 0x80                   ? 1
                        : u[0] >= 0xc2 && u[0] < 0xe0 ? 2
                        : u[0] >= 0xe0 && u[0] < 0xf0 ? 3
                        : u[0] >= 0xf0 && u[0] < 0xf5 ? 4
                                                      : 0;
    unsigned long code = size < 2 ? u[0] : u[0] & (0x7fu >> size);
    for (k = 1; k < size && k < most && (u[k] & 0xc0) == 0x80; k++)
      code = code << 6 | (u[k] & 0x3fu);
    if (k != size || code < 32 || (code > 126 && code < 160) || (size == 3 && code < 0x800) ||
        (size == 4 && code < 0x10000) || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
        (code & 0xfffe) == 0xfffe || (code >= 0xfdd0 && code < 0xfdf0))
      output_print(&p->out, "?"), k = 1;
    else if (strchr("&<>\"'", *s)) output_print(&p->out, "&#%lu;", code);
    else output_bytes(&p->out, s, k);
  }
}

/* As decimals without zeros at the end, in units of a thousand, million ... if `like` is large. */
static const char *number(char text[64], int64_t x, int64_t like)
{
  static const char *const unit[] = {"", "k", "M", "G"};
  int k = 0, n;
  const uint64_t size = x < 0 ? (uint64_t)-x : (uint64_t)x;
  uint64_t one = (uint64_t)ONE;
  if (like < 0) like = -like;
  for (; k < 3 && like >= 10000 * ONE; like /= 1000) k++, one *= 1000;
  n = sprintf(text, "%s%" PRIu64 ".%0*" PRIu64, x < 0 ? "-" : "", size / one, 6 + 3 * k,
              size % one);
  while (text[n - 1] == '0') n--;
  if (text[n - 1] == '.') n--;
  strcpy(text + n, x == 0 ? "" : unit[k]);
  return text;
}

/* Writes the format with %d an int, %s text from a file or a name (put), %r the program's own
 * text, %n millionths (number), %% a percent sign. */
static void print(Page *p, const char *format, ...)
{
  char text[64];
  va_list list;
  va_start(list, format);
  for (;; format += 2) {
    const size_t plain = strcspn(format, "%");
    output_bytes(&p->out, format, plain);
    format += plain;
    if (!*format) break;
    switch (format[1]) {
    case 'd': output_print(&p->out, "%d", va_arg(list, int)); break;
    case 's': put(p, va_arg(list, const char *), SIZE_MAX); break;
    case 'r': output_print(&p->out, "%s", va_arg(list, const char *)); break;
    case '%': output_print(&p->out, "%%"); break;
    case 'n': output_print(&p->out, "%s", number(text, va_arg(list, int64_t), 0)); break;
    }
  }
  va_end(list);
}

/* A label in a figure, `size` bytes of it at most. */
static void label(Page *p, const char *class, int x, int y, const char *text, size_t size)
{
  print(p, "<text class=\"%r\" x=\"%d\" y=\"%d\">", class, x, y);
  put(p, text, size);
  print(p, "</text>\n");
}

/* Before and after a figure, whose title and caption are the program's own but for `of`. Opens
 * the section at its first figure. */
static void figure_open(Page *p, const char *title, const char *of, int height)
{
  if (p->heading)
    print(p, "%r<h2>%r</h2>\n<div class=\"grid\">\n", p->open ? "</div>\n" : "", p->heading);
  p->heading = NULL;
  p->open = 1;
  print(p,
        "<figure>\n<h3>%r%r%s</h3>\n<svg viewBox=\"0 0 4000 %d\" role=\"img\" aria-label=\"%r\">\n",
        title, *of ? ": " : "", of, height, title);
}

/* A caption that stands on the page already is not written again. */
static void figure_close(Page *p, const char *caption, const char *note, const char *second)
{
  int k = 0;
  while (k < p->says && p->said[k] != caption) k++;
  if (k < p->says) caption = "";
  else if (k < FIGURES) p->said[p->says++] = caption;
  print(p, "</svg>\n");
  if (*caption || *note || *second)
    print(p, "<figcaption>%r%r%r</figcaption>\n", caption, note, second);
  print(p, "</figure>\n");
}

/* ==== pictures ============================================================================== */

/* Rows from the top. A pixel is a byte, the number of its colour or, where there are no colours,
 * three: red, green, blue. */
typedef struct {
  int width, height, colours;
  unsigned char palette[256][3];
  unsigned char *pixel;
} Picture;

/* The n low bytes of x, lowest first. */
static void put_little(unsigned char *at, size_t x, int n)
{
  for (; n > 0; n--, x >>= 8) *at++ = (unsigned char)(x & 255);
}

/* The bytes as base64, RFC 4648. */
static void put_base64(Page *p, const unsigned char *byte, size_t n)
{
  static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t j, k;
  for (j = 0; j < n; j += 3) {
    unsigned long three = 0;
    char four[4];
    for (k = 0; k < 3; k++) three = three << 8 | (j + k < n ? byte[j + k] : 0u);
    for (k = 0; k < 4; k++) four[k] = j + k > n ? '=' : digit[three >> (18 - 6 * k) & 63];
    output_bytes(&p->out, four, 4);
  }
}

/* A picture in a figure, as a BMP file in the page's text. */
static void picture_draw(Page *p, const Picture *f, int x, int y, int wide)
{
  const size_t bytes = f->colours > 0 ? 1 : 3, width = (size_t)f->width, height = (size_t)f->height;
  const size_t line = (width * bytes + 3) / 4 * 4, start = 54 + 4 * (size_t)f->colours;
  const size_t size = start + line * height;
  unsigned char *file = allocate(size, 1, "a picture");
  size_t j, r, k, c;
  memcpy(file, "BM", 2);
  put_little(file + 2, size, 4);
  put_little(file + 10, start, 4);
  put_little(file + 14, 40, 4); /* bytes of the header from here to the palette */
  put_little(file + 18, width, 4);
  put_little(file + 22, height, 4);
  put_little(file + 26, 1, 2);
  put_little(file + 28, 8 * bytes, 2);
  put_little(file + 34, line * height, 4);
  put_little(file + 46, (size_t)f->colours, 4);
  for (k = 0; k < (size_t)f->colours; k++) /* blue, green, red */
    for (c = 0; c < 3; c++) file[54 + 4 * k + c] = f->palette[k][2 - c];
  for (r = 0; r < height; r++) /* rows from the bottom */
    for (j = 0; j < width; j++)
      for (c = 0; c < bytes; c++)
        file[start + (height - 1 - r) * line + j * bytes + c] =
            f->pixel[(r * width + j) * bytes + (bytes - 1 - c)];
  print(p, "<image x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" href=\"data:image/bmp;base64,", x,
        y, wide, wide * f->height / f->width);
  put_base64(p, file, size);
  print(p, "\"/>\n");
  free(file);
}

/* ==== axes ================================================================================== */

/* log2 in units of 2^-16, of at least one millionth. A bit of it per squaring: (2^a)^2 = 2^(2a). */
static int64_t log2_of(int64_t x)
{
  uint64_t m = x < 1 ? 1 : (uint64_t)x;
  int64_t log = 31;
  int k;
  for (; m >= UINT64_C(1) << 32; m >>= 1) log++;
  for (; m < UINT64_C(1) << 31; m <<= 1) log--;
  for (k = 0; k < 16; k++) {
    m = m * m >> 31;
    log = 2 * log + (m >> 32 ? 1 : 0);
    if (m >> 32) m >>= 1;
  }
  return log;
}

/* The k-th round number: multiples of `step`, or on a logarithmic axis 1, 2, 5, 10 ... or, if
 * step > 0, powers of 10^step. */
static int64_t round_number(const Axis *a, int64_t step, int64_t k)
{
  static const int64_t of_ten[] = {1, 2, 5};
  int64_t x = 1;
  if (!a->log) return k * step;
  if (step == 0) x = of_ten[k % 3], k = k / 3;
  else k = k * step;
  for (; k > 0; k--) x *= 10;
  return x;
}

/* An axis without any number yet. */
static Axis axis_new(int log) { return (Axis){.log = log, .low = INT64_MAX, .high = INT64_MIN}; }

/* Whether it has a place for x; a logarithmic one has none for what is not above 0. */
static int axis_shows(const Axis *a, int64_t x) { return x != NONE && (x > 0 || !a->log); }

/* Makes it reach x, if it has a place for it. */
static void axis_widen(Axis *a, int64_t x)
{
  if (!axis_shows(a, x)) return;
  if (x < a->low) a->low = x;
  if (x > a->high) a->high = x;
}

/* Begins and ends the axis at round numbers and finds those between. */
static void axis_fit(Axis *a)
{
  const int log = a->log;
  const int empty = a->low > a->high;
  int64_t step = 1, low = empty ? ONE : a->low, high = empty ? ONE : a->high, k;
  if (!log && low > 0 && low <= high / 2) low = 0;
  if (low == high && !log)
    low -= low == 0 ? 0 : 1 + (low < 0 ? -low : low) / 10, high += high == 0 ? ONE : 0;
  if (log) {
    if (low == high) low = low / 2 + 1, high = 2 * high;
    /* 2^16 log2 10 */
    step = high / 200 <= low ? 0 : 1 + (log2_of(high) - log2_of(low)) / (7 * 217706);
  } else
    while (high - low > 5 * step)
      step *= high - low <= 10 * step ? 2 : high - low <= 25 * step ? 5 : 10;
  k = log ? 0 : low / step - (low % step < 0);
  while (log && round_number(a, step, k + 1) <= low) k++;
  do a->tick[a->ticks++] = round_number(a, step, k++);
  while (a->tick[a->ticks - 1] < high && a->ticks < 40);
  a->low = a->tick[0];
  a->high = a->tick[a->ticks - 1];
}

/* Where x is on the axis, from 0 to length; outside it at its ends. */
static int place(const Axis *a, int64_t x, int length)
{
  int64_t from = a->log ? log2_of(a->low) : a->low, to = a->log ? log2_of(a->high) : a->high,
          at = a->log ? log2_of(x) : x;
  at = (at < from ? from : at > to ? to : at) - from;
  for (to -= from; to > INT64_C(1) << 40; to /= 2) at /= 2;
  return (int)((at * length + to / 2) / to);
}

/* The text of a tick; all of a linear axis are in the unit of its largest number. */
static const char *tick(char text[64], const Axis *a, int k)
{
  const int64_t most = -a->low > a->high ? -a->low : a->high;
  return number(text, a->tick[k], a->log ? a->tick[k] : most);
}

/* ==== charts ================================================================================ */

typedef struct {
  int64_t key, x, y, low, high; /* x, y: means over the runs that have this key */
  int runs, table;              /* table: the last of them */
  int collapsed;                /* a layer has no weight left */
} Point;

typedef struct {
  char name[NAME];
  Point *point;
  size_t points;
  int style;       /* colour and mark, the same for a branch everywhere */
  int64_t opacity; /* millionths */
} Series;

/* A figure of tables of a kind: y = base + column plus - column minus (where there is one). */
typedef struct {
  int kind, log;
  const char *title, *y_name;
  int64_t base;
  const char *plus, *minus, *caption;
} Figure;

/* Of one kind those with the same unit share their axes. */
static const Figure figures[] = {
    {RUN, 0, "Test accuracy", "accuracy (%)", 100 * INT64_C(1000000), NULL, "test_error",
     "If tickets win, their line stays high to the right, where few weights remain, while new "
     "initial values under the same masks (reinit) fall earlier."},
    {RUN, 0, "Training accuracy", "accuracy (%)", 100 * INT64_C(1000000), NULL, "train_error",
     "Where it leaves 100% the network has become too small to fit its training set; if tickets "
     "win, that happens to them last."},
    {RUN, 0, "Gap between test and training set", "test error - training error (points)", 0,
     "test_error", "train_error",
     "What was learned but does not carry over to new images. It also closes where training itself "
     "fails, which if tickets win happens to controls first."},
    {RUN, 0, "Pruning threshold", "largest magnitude pruned", 0, "threshold", NULL,
     "Magnitude up to which pruning this network removes weights, or would, as controls and the "
     "last level are not pruned. If tickets win, what they keep is large, and their line climbs "
     "above the others'."},
    {RUN, 0, "Barrier on the test set", "points of error", 0, "test_barrier", NULL,
     "Highest error on the straight line to the same branch one level denser, minus the mean of "
     "its two ends. Ends of unequal error give a barrier without any hill on the line; only the "
     "height, where it was measured, is 0 without a hill."},
    {RUN, 0, "Barrier on the training set", "points of error", 0, "train_barrier", NULL, ""},
    {RUN, 0, "Height of the barrier on the test set", "points of error", 0, "test_height", NULL,
     "Highest error above the straight line between the errors of the same two ends: 0 where there "
     "is no hill, however unequal they are. If tickets win it stays near 0: each lies in the basin "
     "of the last."},
    {RUN, 0, "Height of the barrier on the training set", "points of error", 0, "train_height",
     NULL, ""},
    {RUN, 0, "Instability on the test set", "points of error", 0, "test_instability", NULL,
     "Error barrier (above the mean of the two ends) between copies trained under different data "
     "orders; tickets tend to win where it is near 0, as the order no longer decides the outcome "
     "there."},
    {RUN, 0, "Instability on the training set", "points of error", 0, "train_instability", NULL,
     ""},
    {EPOCHS, 1, "Training loss", "mean loss of the epoch", 0, "train_loss", NULL,
     "If tickets win, sparse ones (in brackets: weights that remain) fall as fast as the dense "
     "one, level 0, and a control's lines move up with every level."},
    {EPOCHS, 0, "Training error", "error (%)", 0, "train_error", NULL,
     "Of the images of each batch before they were learned from."},
    {EPOCHS, 0, "Test error", "error (%)", 0, "test_error", NULL,
     "If tickets win, sparse networks come down as early and as far as the dense one, level 0. "
     "Where the training set is small, only some epochs or the last one were tested."},
    {STABILITY, 0, "Instability on the test set", "points of error", 0, "test_instability", NULL,
     "Barrier between copies trained apart from that step: highest error on the line minus the "
     "mean of its two ends, which ends of unequal error raise without any hill. The first step "
     "where it is near 0 is the earliest to rewind to if tickets are to win."},
    {STABILITY, 0, "Instability on the training set", "points of error", 0, "train_instability",
     NULL, ""},
    {STABILITY, 0, "Height of the barrier on the test set", "points of error", 0, "test_height",
     NULL,
     "Highest error above the straight line between the errors of the same two ends: 0 where there "
     "is no hill between the copies, however unequal they are."},
    {STABILITY, 0, "Height of the barrier on the training set", "points of error", 0,
     "train_height", NULL, ""},
    {LINE, 0, "Test error on the way", "error (%)", 0, "test_error", NULL,
     "A hill is a barrier between two basins; if tickets win, the line between those of successive "
     "levels has none. A flat curve leads around a hill."},
    {LINE, 0, "Training error on the way", "error (%)", 0, "train_error", NULL, ""},
    {LINE, 0, "Test loss on the way", "test loss", 0, "test_loss", NULL,
     "The loss shows hills and valleys where the error is flat."},
    {LINE, 1, "Training loss on the way", "training loss", 0, "train_loss", NULL,
     "On a logarithmic axis."},
    {PROBE, 0, "Weights by value", "weights in a bin", 0, "value", NULL,
     "Surviving weights in 100 bins from lowest to highest; pruning empties the middle, and if "
     "tickets win, their humps lie further out than a control's."},
};

typedef struct {
  const Figure *figure;
  Series series[SERIES];
  int n;
} Chart;

/* What a figure says of itself where it is so. */
static const char left_out[] =
    " What is not above 0 is left out: a logarithmic axis has no place for it.";
static const char ringed[] = " Ringed: a layer has no weight left there.";

/* Colour and mark of a branch on every page. */
static int style_of(const char *branch)
{
  static const char *const known[] = {"ticket", "reinit", "reinit-fresh", "shuffle", "random"};
  int k = 0;
  while (k < 5 && strcmp(branch, known[k]) != 0) k++;
  return k;
}

/* What a checkpoint is, as its name says: PREFIX.Lnn[.BRANCH][.childN].safetensors. */
typedef struct {
  char prefix[80], branch[20], level[12], copy[20];
} Network;

/* to = the text from `begin` to `end`, or as much of it as there is room for. */
static void put_bytes(char *to, size_t room, const char *begin, const char *end)
{
  const size_t n = end > begin ? (size_t)(end - begin) : 0;
  sprintf(to, "%.*s", (int)(n < room ? n : room - 1), begin);
}

/* Of `PATH.safetensors DIGEST`; what has another name has it as the prefix. */
static Network network_of(const char *path)
{
  Network n = {"", "", "", ""};
  const char *end = strstr(path, ".safetensors"), *at, *from = path, *level = NULL, *copy;
  for (at = path; *at && (!end || at < end); at++) {
    if (*at == '/') from = at + 1;
    if (!strncmp(at, ".L", 2) && strspn(at + 2, "0123456789") == 2) level = at;
  }
  if (!end) end = at;
  if (level < from) level = NULL;
  at = end - (end - from >= 7 && !strncmp(end - 7, ".rewind", 7) ? 7 : 0);
  put_bytes(n.prefix, sizeof n.prefix, from, level ? level : at);
  if (at < end) strcpy(n.branch, "rewind point");
  if (!level) return n;
  sprintf(n.level, "%ld", strtol(level + 2, NULL, 10));
  level += level[4] == '.' ? 5 : 4;
  copy = strstr(level, "child");
  if (copy >= end) copy = NULL;
  if (copy) put_bytes(n.copy, sizeof n.copy, copy + 5, end);
  if (copy) end = copy > level ? copy - 1 : copy;
  put_bytes(n.branch, sizeof n.branch, level, end);
  if (!*n.branch) strcpy(n.branch, "ticket");
  return n;
}

/* In words; with its prefix if that is not `of` or all that there is. */
static const char *in_words(char text[NAME], const Network *n, const char *of)
{
  const int named = !*n->branch || strcmp(n->prefix, of) != 0;
  sprintf(text, "%s%s%s%s%s%s%s", named ? n->prefix : "", named && *n->branch ? " " : "", n->branch,
          *n->level ? " " : "", n->level, *n->copy ? " copy " : "", n->copy);
  return text;
}

/* One more series: the points of a group's tables, of that branch and level where they are not
 * NULL. */
static void gather(Chart *c, const Page *p, int group, const char *name, int style,
                   const char *branch, const char *level)
{
  Series *s = &c->series[c->n];
  const Figure *f = c->figure;
  size_t most = 0;
  int k, row;
  for (k = 0; k < p->tables; k++) most += p->table[k].group == group ? (size_t)p->table[k].rows : 0;
  s->point = allocate(most, sizeof *s->point, "a curve");
  for (s->points = 0, k = 0; k < p->tables; k++) {
    const Table *t = &p->table[k];
    const int x = column(t, kinds[f->kind].x), plus = f->plus ? column(t, f->plus) : -1,
              minus = f->minus ? column(t, f->minus) : -1;
    const int of_branch = column(t, "branch"), of_level = column(t, "level"),
              of_copy = column(t, "copy");
    for (row = 1; row <= t->rows && t->group == group; row++) {
      Point *q = &s->point[s->points];
      int64_t less;
      if ((branch && strcmp(text_at(t, row, of_branch), branch) != 0) ||
          (level && strcmp(text_at(t, row, of_level), level) != 0))
        continue;
      if ((level && strcmp(text_at(t, row, of_copy), "0") != 0) ||
          (f->kind == PROBE && strcmp(text_at(t, row, 0), "histogram") != 0))
        continue;
      q->x = number_at(t, row, x);
      q->y = f->plus ? number_at(t, row, plus) : 0;
      less = f->minus ? number_at(t, row, minus) : 0;
      if (q->x == NONE || q->y == NONE || less == NONE) continue;
      /* Densities of one level may differ between runs, and be equal at two levels of one run. */
      q->key = f->kind == RUN ? number_at(t, row, of_level) : q->x;
      if (q->key == NONE) continue;
      if (f->kind == RUN) q->key = -q->key; /* from sparse to dense, as densities rise */
      q->low = q->high = q->y = f->base + q->y - less;
      q->runs = 1;
      q->table = k;
      q->collapsed = lost(t, row) != NULL;
      s->points++;
    }
  }
  if (c->n == SERIES - 1)
    fail("the figure '%s' would have %d lines or more; give ticket report fewer files", f->title,
         SERIES);
  sprintf(s->name, "%.*s", NAME - 1, name);
  s->style = style;
  s->opacity = ONE;
  if (s->points == 0) free(s->point);
  else c->n++;
}

static int by_key(const void *a, const void *b)
{
  const Point *p = a, *q = b;
  if (p->key != q->key) return p->key > q->key ? 1 : -1;
  if (p->table != q->table) return p->table > q->table ? 1 : -1;
  return (p->y > q->y) - (p->y < q->y);
}

/* Sorts a curve and makes one point of those of different runs that share a key; rows of one run
 * stay apart. */
static void merge(Series *s)
{
  size_t j, n = 0;
  qsort(s->point, s->points, sizeof *s->point, by_key);
  for (j = 0; j < s->points; j++) {
    const Point *q = &s->point[j];
    Point *last = n > 0 ? &s->point[n - 1] : NULL;
    if (!last || last->key != q->key || last->table == q->table) {
      s->point[n++] = *q;
      continue;
    }
    last->x += q->x; /* the sums until below */
    last->y += q->y;
    if (q->low < last->low) last->low = q->low;
    if (q->high > last->high) last->high = q->high;
    last->runs++;
    last->table = q->table;
    last->collapsed |= q->collapsed;
  }
  for (s->points = n, j = 0; j < n; j++) {
    s->point[j].x /= s->point[j].runs;
    s->point[j].y /= s->point[j].runs;
  }
}

enum { STYLES = 7, CURVED = 6, DASHES = 4, RIGHT = 3800, TOP = 260, BOTTOM = 2300 };
static const char *const marker[STYLES] = {"m-28 0a28 28 0 1 0 56 0a28 28 0 1 0-56 0z",
                                           "m-25-25h50v50h-50z",
                                           "m0-36l34 58h-68z",
                                           "m0-36l36 36-36 36-36-36z",
                                           "m0 36l34-58h-68z",
                                           "m-26-10h16v-16h20v16h16v20h-16v16h-20v-16h-16z",
                                           "m-34-14h68v28h-68z"};

/* What the line of series k is dashed by: how many before it have its colour and mark. */
static int dash(const Chart *c, int k)
{
  int before, n = 0;
  for (before = 0; before < k; before++) n += c->series[before].style == c->series[k].style;
  return n % DASHES;
}

enum { LETTERS = 55, LINE_HEIGHT = 170 }; /* of a name in the legend */

/* How many bytes of the name stand in the legend's line that begins with it. */
static size_t line_of(const char *name)
{
  size_t n = LETTERS;
  if (strlen(name) <= LETTERS) return strlen(name);
  while (n > 0 && name[n] != ' ') n--;
  for (n = n > 0 ? n : LETTERS; n > 1 && ((unsigned char)name[n] & 0xc0) == 0x80;) n--;
  return n;
}

/* The chart's names with their lines and marks, or (draws = 0) nothing; returns the height. */
static int legend(Page *p, const Chart *c, int draws)
{
  int at = 0, y = 0, k;
  for (k = 0; k < c->n; k++) {
    const Series *s = &c->series[k];
    const char *name = s->name;
    const int wide = 560 + 62 * (int)strlen(name);
    size_t n;
    if (at > 0 && at + wide > 4000) {
      at = 0;
      y += LINE_HEIGHT;
    }
    if (draws) {
      print(p, "<g opacity=\"%n\"><path class=\"l s%d d%d\" d=\"M%d %dh400\"/>", s->opacity,
            s->style, dash(c, k), at, y + 60);
      print(p, "<path class=\"m s%d\" d=\"M%d %d%r\"/></g>", s->style, at + 200, y + 60,
            marker[s->style]);
    }
    for (; *name; name += n) {
      n = line_of(name);
      if (draws) label(p, "", at + 450, y + 100, name, n);
      if (name[n]) y += LINE_HEIGHT;
    }
    at += wide;
  }
  return y + LINE_HEIGHT;
}

/* Which of the page's axes a figure has: those of the first of its kind with its unit. */
static Axis *shared_axes(Page *p, const Figure *f)
{
  int k = 0;
  while (figures[k].kind != f->kind || strcmp(figures[k].y_name, f->y_name) != 0) k++;
  return p->shared[k];
}

/* Merges the chart's curves, leaves out what its axes have no place for, and makes them reach the
 * rest. Returns HIDDEN if it has left out something and RINGS if a point has lost a layer. */
enum { HIDDEN = 1, RINGS = 2 };
static int chart_fit(Chart *c, Axis *x, Axis *y)
{
  int found = 0, k;
  size_t j;
  for (k = 0; k < c->n; k++) {
    Series *s = &c->series[k];
    size_t shown = 0;
    merge(s);
    for (j = 0; j < s->points; j++) {
      const Point *q = &s->point[j];
      /* a bar may reach 0 where its mean does not */
      if (!axis_shows(x, q->x) || !axis_shows(y, q->low)) found |= HIDDEN;
      if (!axis_shows(x, q->x) || !axis_shows(y, q->y)) continue;
      axis_widen(x, q->x);
      axis_widen(y, q->low);
      axis_widen(y, q->y);
      axis_widen(y, q->high);
      if (q->collapsed) found |= RINGS;
      s->point[shown++] = *q;
    }
    s->points = shown;
  }
  return found;
}

/* Where a chart is drawn. */
typedef struct {
  Axis x, y;
  int left, density; /* density: logarithmic, from dense to sparse */
} Frame;

static int x_at(const Frame *f, int64_t x)
{
  const int at = place(&f->x, x, RIGHT - f->left);
  return f->density ? RIGHT - at : f->left + at;
}

static int y_at(const Frame *f, int64_t y) { return BOTTOM - place(&f->y, y, BOTTOM - TOP); }

/* Both axes with their names. */
static void axes_draw(Page *p, const Frame *f, const char *x_name, const char *y_name)
{
  char text[64];
  int k;
  label(p, "", 0, 150, y_name, 99);
  label(p, "c", (f->left + RIGHT) / 2, 2640, x_name, 99);
  for (k = 0; k < f->y.ticks; k++) {
    const int y = y_at(f, f->y.tick[k]);
    print(p, "<path class=\"g\" d=\"M%d %dH%d\"/>", f->left, y, RIGHT);
    label(p, "e", f->left - 90, y + 40, tick(text, &f->y, k), 99);
  }
  for (k = 0; k < f->x.ticks; k++) {
    const int x = x_at(f, f->x.tick[k]);
    print(p, "<path class=\"g\" d=\"M%d %dV%d\"/>", x, BOTTOM, BOTTOM + 40);
    label(p, "c", x, BOTTOM + 160, tick(text, &f->x, k), 99);
  }
}

/* A curve, its points, and their bars and rings. */
static void series_draw(Page *p, const Frame *f, const Figure *figure, const Series *s, int dashes)
{
  size_t j;
  print(p, "<g opacity=\"%n\"><polyline class=\"l s%d d%d\" points=\"", s->opacity, s->style,
        dashes);
  for (j = 0; j < s->points; j++)
    print(p, "%r%d,%d", j > 0 ? " " : "", x_at(f, s->point[j].x), y_at(f, s->point[j].y));
  print(p, "\"/>\n");
  /* where points are close, they are seen only under the pointer */
  for (j = 0; j < s->points && s->points <= 1000; j++) {
    const Point *q = &s->point[j];
    const int x = x_at(f, q->x), y = y_at(f, q->y);
    if (q->high > q->low && axis_shows(&f->y, q->low))
      print(p, "<path class=\"b s%d\" d=\"M%d %dV%dm-25 0h50M%d %dm-25 0h50\"/>", s->style, x,
            y_at(f, q->low), y_at(f, q->high), x, y_at(f, q->low));
    if (q->collapsed)
      print(p, "<path class=\"b s%d\" d=\"M%d %dm-64 0a64 64 0 1 0 128 0a64 64 0 1 0-128 0z\"/>",
            s->style, x, y);
    print(p, "<path class=\"%r s%d\" d=\"M%d %d%r\">", s->points <= 40 ? "m" : "h", s->style, x, y,
          marker[s->style]);
    print(p, "<title>%s\n%r: %n\n%r: %n", s->name, kinds[figure->kind].x_name, q->x, figure->y_name,
          q->y);
    if (q->runs > 1) print(p, "\nmean of %d runs, from %n to %n", q->runs, q->low, q->high);
    if (q->collapsed) print(p, "\na layer has no weight left");
    print(p, "</title></path>\n");
  }
  print(p, "</g>\n");
}

/* Draws what the chart has, if anything, and empties it; while the page is measuring it only makes
 * the shared axes reach as far. */
static void chart_draw(Page *p, Chart *c, const char *of)
{
  const Figure *f = c->figure;
  Axis *shared = shared_axes(p, f);
  Frame frame = {shared[0], shared[1], 0, f->kind == RUN};
  char text[64];
  int found, top, longest = 0, k;
  if (c->n == 0) return;
  found = chart_fit(c, &frame.x, &frame.y);
  if (p->measuring) {
    shared[0] = frame.x;
    shared[1] = frame.y;
    while (c->n > 0) free(c->series[--c->n].point);
    return;
  }
  axis_fit(&frame.x);
  axis_fit(&frame.y);
  for (k = 0; k < frame.y.ticks; k++) {
    const int letters = (int)strlen(tick(text, &frame.y, k));
    if (letters > longest) longest = letters;
  }
  frame.left = 140 + 68 * longest;
  top = legend(p, c, 0);
  figure_open(p, f->title, of, 2740 + top);
  legend(p, c, 1);
  print(p, "\n<g transform=\"translate(0 %d)\">\n", top);
  axes_draw(p, &frame, kinds[f->kind].x_name, f->y_name);
  for (k = 0; k < c->n; k++) {
    series_draw(p, &frame, f, &c->series[k], dash(c, k));
    free(c->series[k].point);
  }
  print(p, "</g>\n");
  figure_close(p, f->caption, found & HIDDEN ? left_out : "", found & RINGS ? ringed : "");
  c->n = 0;
}

/* ==== heat-maps ============================================================================= */

typedef struct {
  const char *title, *unit, *caption, *under; /* the program's own */
  int rows, columns, log;
  int64_t least, most; /* the colours reach from one to the other at least */
  const char *row[NETWORKS], *head[NETWORKS];
  int64_t value[NETWORKS][NETWORKS]; /* NONE where there is none */
} Heat;

/* Viridis (Smith and van der Walt 2015): equal steps look equally large, also without colour; at
 * 0, 0.1, ... 1 of the axis. */
static const unsigned char viridis[11][3] = {
    {68, 1, 84},    {72, 36, 117},  {65, 68, 135},  {53, 95, 141},  {42, 120, 142}, {33, 145, 140},
    {34, 168, 132}, {68, 191, 112}, {122, 209, 81}, {189, 223, 38}, {253, 231, 37}};

/* Red, green and blue at 0 to 1000 thousandths of the axis. */
static void viridis_at(unsigned char colour[3], int at)
{
  const int k = at < 1000 ? at / 100 : 9, rest = at - 100 * k;
  int c;
  for (c = 0; c < 3; c++)
    colour[c] =
        (unsigned char)((viridis[k][c] * (100 - rest) + viridis[k + 1][c] * rest + 50) / 100);
}

static void put_fill(Page *p, const unsigned char colour[3])
{
  output_print(&p->out, " fill=\"#%02x%02x%02x\"", (unsigned)colour[0], (unsigned)colour[1],
               (unsigned)colour[2]);
}

static void put_colour(Page *p, int at)
{
  unsigned char colour[3];
  viridis_at(colour, at);
  put_fill(p, colour);
}

enum { MARGIN = 32, END = 3400 }; /* letters of a name; where the cells end */

/* How many letters all names have in common at their beginning (end = 0) or end, up to a
 * separator and after the first `skip`. */
static size_t common(const char *const *name, int n, int end, size_t skip)
{
  size_t found = 0, j;
  int k;
  for (j = 0; n > 1; j++) {
    for (k = 0; k < n; k++)
      if (strlen(name[k]) <= skip + j ||
          (end ? name[k][strlen(name[k]) - 1 - j] != name[0][strlen(name[0]) - 1 - j]
               : name[k][j] != name[0][j]))
        return found;
    if (strchr("./_ ", end ? name[0][strlen(name[0]) - 1 - j] : name[0][j])) found = j + 1;
  }
  return found;
}

typedef struct {
  const char *text;
  size_t size;
} Word;

/* The names without what all of them begin and end with, and MARGIN letters at most; returns the
 * length of the longest. */
static int shorten(Word *to, const char *const *name, int n)
{
  const size_t begin = common(name, n, 0, 0), end = common(name, n, 1, begin);
  size_t longest = 0;
  int k;
  for (k = 0; k < n; k++) {
    const size_t size = strlen(name[k]) - begin, shown = size > end ? size - end : size;
    to[k].text = name[k] + begin;
    to[k].size = shown < MARGIN ? shown : MARGIN;
    if (to[k].size > longest) longest = to[k].size;
  }
  return (int)longest;
}

/* Whether the k-th of n names is written where every step-th fits; the last one always is. */
static int is_named(int k, int n, int step)
{
  return k == n - 1 || (k % step == 0 && k + step < n);
}

/* Whether two names below neighbouring columns would touch. */
static int is_tight(const Word *word, int n, int width)
{
  int c = 1;
  while (c < n && 34 * (int)(word[c - 1].size + word[c].size) + 50 < width) c++;
  return c < n;
}

/* Draws it, unless it has no cell. */
static void heat_draw(Page *p, const Heat *h, const char *of)
{
  Word side[NETWORKS], below[NETWORKS];
  Axis axis = axis_new(h->log);
  char text[64];
  int left, width, height, bottom, longest, turned, room, unmeasured = 0, zero = 0, r, c;
  if (h->rows == 0 || h->columns == 0) return;
  axis_widen(&axis, h->least);
  axis_widen(&axis, h->most);
  for (r = 0; r < h->rows; r++)
    for (c = 0; c < h->columns; c++) {
      const int64_t x = h->value[r][c];
      axis_widen(&axis, x);
      unmeasured |= x == NONE;
      zero |= x != NONE && !axis_shows(&axis, x);
    }
  axis_fit(&axis);
  left = 100 + 68 * shorten(side, h->row, h->rows);
  longest = shorten(below, h->head, h->columns);
  width = (END - left) / h->columns;
  height = width < 2800 / h->rows ? width : 2800 / h->rows;
  if (height < 1200 / h->rows) height = 1200 / h->rows;
  bottom = 200 + h->rows * height;
  turned = is_tight(below, h->columns, width);
  room = turned ? 100 + 68 * longest : 200; /* for the names of the columns */
  figure_open(p, h->title, of, bottom + room + 150);
  label(p, "e", 3990, 120, h->unit, 99);
  for (r = 0; r < h->rows; r++) {
    if (is_named(r, h->rows, 130 / height + 1))
      label(p, "e", left - 50, 240 + r * height + height / 2, side[r].text, side[r].size);
    for (c = 0; c < h->columns; c++) {
      const int64_t x = h->value[r][c];
      print(p, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"", left + c * width,
            200 + r * height, width, height);
      if (axis_shows(&axis, x)) put_colour(p, place(&axis, x, 1000));
      else print(p, " class=\"none\"");
      print(p, "><title>%s\n%s\n%r</title></rect>\n", h->row[r], h->head[c],
            x == NONE ? "not measured" : number(text, x, 0));
    }
  }
  for (c = 0; c < h->columns; c++) {
    const int x = left + c * width + width / 2, y = bottom + (turned ? 60 : 140);
    if (!is_named(c, h->columns, turned ? 130 / width + 1 : 1)) continue;
    if (turned) print(p, "<g transform=\"translate(%d %d) rotate(-90)\">", x + 40, y);
    label(p, turned ? "e" : "c", turned ? 0 : x, turned ? 0 : y, below[c].text, below[c].size);
    if (turned) print(p, "</g>\n");
  }
  label(p, "c", (left + END) / 2, bottom + room + 100, h->under, 99);
  for (c = 0; c < 40; c++) { /* the colour bar */
    const int from = bottom - (bottom - 200) * c / 40, to = bottom - (bottom - 200) * (c + 1) / 40;
    print(p, "<rect x=\"3480\" y=\"%d\" width=\"100\" height=\"%d\"", to, from - to);
    put_colour(p, 1000 * c / 39);
    print(p, "/>\n");
  }
  for (c = 0; c < axis.ticks; c++)
    label(p, "", 3620, bottom + 40 - place(&axis, axis.tick[c], bottom - 200), tick(text, &axis, c),
          99);
  figure_close(p, h->caption, unmeasured ? " Grey cells: not measured (or not finite)." : "",
               zero ? " Grey, with the title 0: no weight remains, and a logarithmic scale has no "
                      "place for 0."
                    : "");
}

/* ==== what is drawn of which table ========================================================== */

/* Distinct texts of a column in a group, in order; `most` at most. */
static int distinct(const Page *p, int group, const char *name, const char **found, int most)
{
  int k, row, n = 0, f;
  for (k = 0; k < p->tables; k++) {
    const Table *t = &p->table[k];
    const int c = column(t, name);
    for (row = 1; row <= t->rows && t->group == group && n < most; row++) {
      found[n] = text_at(t, row, c);
      for (f = 0; strcmp(found[f], found[n]) != 0;) f++;
      n += f == n;
    }
  }
  return n;
}

/* What sets a group of runs apart from the page's others of its kind, after `text`: its settings
 * or, where they are many, its name. */
static void name_group(const Page *p, int group, char name[NAME], const char *text)
{
  enum { LONGEST = 60 };
  const Table *t = &p->table[group];
  const size_t begin = strlen(text) < 60 ? strlen(text) : 60;
  int j, k, differs;
  sprintf(name, "%.60s", text);
  for (j = 0; j < t->pairs && strlen(name) < begin + LONGEST; j++) {
    for (differs = k = 0; k < p->tables; k++)
      differs |= p->table[k].kind == t->kind &&
                 strcmp(value_of(&p->table[k], t->key[j]), t->value[j]) != 0;
    if (differs && is_setting(t->key[j]))
      sprintf(name + strlen(name), "%s%.40s = %.60s", *name ? ", " : "", t->key[j], t->value[j]);
  }
  if (strlen(name) >= begin + LONGEST)
    sprintf(name + begin, "%s%.150s", begin > 0 ? ", " : "", t->name);
}

/* The k-th network of a table's comment lines, or NULL. */
static const char *network_at(const Table *t, int k)
{
  int j;
  for (j = 0; j < t->pairs; j++)
    if (!strcmp(t->key[j], "network") && k-- == 0) return t->value[j];
  return NULL;
}

/* What a path or probe is of: `straight line, ticket 4 to reinit 4`, and as much more as tells it
 * from the page's others. Returns the style of the last network. */
static int name_networks(const Page *p, const Table *t, char name[NAME])
{
  const int curve = !strcmp(value_of(t, "command"), "curve");
  const Table *other = p->table;
  const char *value, *of = NULL;
  char text[NAME];
  Network first;
  int k, alike = 0, style = 5;
  while (!of && other < p->table + p->tables) of = network_at(other++, 0);
  first = network_of(of ? of : "");
  sprintf(name, "%s", t->kind == PROBE ? "" : curve ? "curve, " : "straight line, ");
  for (k = 0; k < 2 && (value = network_at(t, k)) != NULL; k++) {
    const Network n = network_of(value);
    sprintf(name + strlen(name), "%s%.130s", k > 0 ? " to " : "", in_words(text, &n, first.prefix));
    style = style_of(n.branch);
  }
  for (other = p->table; other < p->table + p->tables; other++) {
    int same =
        other->kind == t->kind && !strcmp(value_of(other, "command"), value_of(t, "command"));
    for (k = 0; k < 2 && same; k++) {
      const char *a = network_at(t, k), *b = network_at(other, k);
      same = a && b ? !strcmp(a, b) : a == b;
    }
    alike += same;
  }
  if (alike > 1) sprintf(name + strlen(name), " (%.100s)", t->label);
  return curve ? CURVED : style;
}

enum { SHOWN = 9 }; /* levels in a figure, at most */
/* Of n levels every such one is shown, and the last. */
static int every(int n) { return n > SHOWN ? (n + SHOWN - 3) / (SHOWN - 1) : 1; }
static int is_shown(int l, int n) { return l % every(n) == 0 || l == n - 1; }

/* The training curves of a group's branch, from the faintest line, level 0, to the last. */
static void gather_levels(Chart *c, const Page *p, int g, const char *branch)
{
  enum { LEVELS = 100 };
  const Table *t = &p->table[g];
  const char *level[LEVELS];
  const int levels = distinct(p, g, "level", level, LEVELS), before = c->n;
  char of[NAME], text[64];
  int64_t density;
  int l, k, row;
  for (l = 0; l < levels; l++) {
    if (!is_shown(l, levels)) continue;
    for (row = 1; row <= t->rows && strcmp(text_at(t, row, 0), level[l]) != 0;) row++;
    density = row <= t->rows ? number_at(t, row, column(t, "density")) : NONE;
    sprintf(of, "level %.20s (%s%%)", level[l], density == NONE ? "?" : number(text, density, 0));
    gather(c, p, g, of, style_of(branch), branch, level[l]);
  }
  for (k = before; k + 1 < c->n; k++)
    c->series[k].opacity = ONE * (300 + 600 * (k - before) / (c->n - before)) / 1000;
}

/* The charts of a kind: a series per group of runs and branch, or per table; of training curves
 * a chart per group and branch. */
static void charts_of(Page *p, const Figure *f)
{
  static Chart c;
  const char *branch[SERIES];
  char name[NAME];
  int g, b;
  c.figure = f;
  for (g = 0; g < p->tables; g++) {
    const Table *t = &p->table[g];
    const int branches = f->kind <= EPOCHS ? distinct(p, g, "branch", branch, SERIES) : 1;
    int style = 0;
    if (t->kind != f->kind || t->group != g) continue;
    for (b = 0; b < branches; b++) {
      if (f->kind > STABILITY) style = name_networks(p, t, name);
      else name_group(p, g, name, f->kind == STABILITY ? "" : branch[b]);
      if (f->kind <= EPOCHS) style = style_of(branch[b]);
      if (f->kind == EPOCHS) {
        gather_levels(&c, p, g, branch[b]);
        chart_draw(p, &c, name);
      } else
        gather(&c, p, g, *name ? name : t->label, style, f->kind == RUN ? branch[b] : NULL, NULL);
    }
  }
  chart_draw(p, &c, "");
}

/* All charts of a kind, after a look at the axes that they share. */
static void charts(Page *p, int kind)
{
  size_t f;
  p->heading = kinds[kind].section;
  for (p->measuring = 1; p->measuring >= 0; p->measuring--)
    for (f = 0; f < sizeof figures / sizeof figures[0]; f++)
      if (figures[f].kind == kind) charts_of(p, &figures[f]);
  p->measuring = 0;
}

/* Reads the network of a row of a run; 0 if it is not beside the table. */
static int read_network(const Table *t, int row, Safetensors *s)
{
  const char *const level = text_at(t, row, column(t, "level"));
  const char *const branch = text_at(t, row, column(t, "branch")), *digest;
  const long number_of = strtol(level, NULL, 10);
  char *path;
  int there;
  if (number_of < 0 || number_of > 99 || strlen(branch) > 20) return 0;
  path = allocate(strlen(t->name) + 60, 1, "a file name");
  sprintf(path, "%s.L%02ld%s%s.safetensors", t->name, number_of,
          strcmp(branch, "ticket") != 0 ? "." : "", strcmp(branch, "ticket") != 0 ? branch : "");
  there = file_exists(path);
  if (there) {
    safetensors_read(s, path);
    digest = safetensors_value(s, "digest");
    if (!digest || strcmp(digest, text_at(t, row, column(t, "digest"))) != 0)
      fail("%s: is not the network of level %ld in %s, whose digest differs; keep tables apart "
           "from other runs' networks",
           path, number_of, t->path);
  }
  free(path);
  return there;
}

/* Whether it is the mask of a tensor. */
static int is_mask(const Entry *e) { return !strncmp(e->name, "mask.", 5); }

/* Share of each layer that survives, from the masks of the tickets that stand beside a group's
 * first run. */
static void layers_draw(Page *p, const Table *t)
{
  enum { MOST = 100 }; /* levels */
  Heat *h = allocate(1, sizeof *h, "layers");
  char of[NAME];
  int row, k, r, c;
  h->title = "Density by layer";
  h->unit = "weights that remain (%)";
  h->caption = "Brighter layers keep more of their weights; pruning by magnitude empties the large "
               "first layers, and tickets live on the small last ones.";
  h->under = "level";
  h->log = 1;
  h->least = ONE / 10; /* one scale for all pages, unless a layer has less */
  h->most = 100 * ONE;
  for (row = 1; row <= t->rows && h->columns < MOST; row++) {
    Safetensors s;
    if (strcmp(text_at(t, row, column(t, "branch")), "ticket") != 0 || !read_network(t, row, &s))
      continue;
    for (k = 0; k < s.entries; k++) {
      const Entry *e = &s.entry[k];
      const unsigned char *mask = e->data;
      size_t j, kept = 0;
      if (!is_mask(e)) continue;
      for (r = 0; r < h->rows && strcmp(h->row[r], e->name + 5) != 0;) r++;
      if (r == NETWORKS || e->type != 'U' || e->size == 0)
        fail("%s, level %d: has more layers or other masks than any model of ticket", t->path,
             h->columns);
      if (r == h->rows) {
        for (c = 0; c < MOST; c++) h->value[r][c] = NONE;
        h->row[h->rows++] = join(e->name + 5, "", "");
      }
      for (j = 0; j < e->size; j++) kept += mask[j] != 0;
      h->value[r][h->columns] = (int64_t)((uint64_t)kept * 100 * (uint64_t)ONE / e->size);
    }
    safetensors_free(&s);
    h->head[h->columns++] = text_at(t, row, column(t, "level"));
  }
  name_group(p, t->group, of, "");
  heat_draw(p, h, of);
  free(h);
}

/* ==== pictures of masks and of the data ===================================================== */

/* A first layer's mask: how many connections of each pixel survive or, of a convolution, of each
 * place of each kernel, as NONE_LEFT, GAP between kernels and shades. */
enum { NONE_LEFT, GAP, FIRST_SHADE, SHADES = 16, ACROSS = 5, CELL = 800, SHOT = 720 };
typedef struct {
  Picture picture;
  int inputs, cut_off; /* inputs or kernels in all, and without any connection */
} MaskPicture;

/* Sets the picture's size for a mask of that shape: the pixels of a dense layer's inputs, which
 * must be 1 or 3 square planes, or a convolution's kernels side by side. Returns the connections
 * that a pixel has at most, 0 if there is no such picture. */
static int mask_size(MaskPicture *m, const Entry *e)
{
  const size_t most = 65536, inputs = e->dims > 1 ? e->shape[1] : 0;
  size_t side = 1, planes, across = 1;
  if (e->type != 'U' || inputs == 0 || inputs > most || e->shape[0] > most) return 0;
  if (e->dims == 4) {
    while (across * across < e->shape[0]) across++;
    m->picture.width = (int)(across * (e->shape[3] + 1) - 1);
    m->picture.height = (int)((e->shape[0] + across - 1) / across * (e->shape[2] + 1) - 1);
    m->inputs = (int)e->shape[0];
    return (int)inputs;
  }
  for (planes = 1; planes <= 3; planes += 2) {
    for (side = 1; side * side * planes < inputs;) side++;
    if (side * side * planes == inputs) break;
  }
  if (e->dims != 2 || planes > 3) return 0;
  m->picture.width = m->picture.height = (int)side;
  m->inputs = (int)inputs;
  return (int)(planes * e->shape[0]);
}

/* The number of the pixel that connection j of a mask of that shape belongs to, and (number) that
 * of its input or kernel. */
static size_t pixel_of(const MaskPicture *m, const Entry *e, size_t j, size_t *number)
{
  const size_t width = (size_t)m->picture.width;
  size_t across, kernel, column, row;
  if (e->dims == 2) {
    *number = j % e->shape[1];
    return *number % (width * width);
  }
  across = (width + 1) / (e->shape[3] + 1);
  kernel = e->shape[2] * e->shape[3];
  *number = j / kernel / e->shape[1];
  column = *number % across * (e->shape[3] + 1) + j % e->shape[3];
  row = *number / across * (e->shape[2] + 1) + j % kernel / e->shape[3];
  return row * width + column;
}

/* Makes the picture of a mask; `most` as mask_size returned it. */
static void mask_picture(MaskPicture *m, const Entry *e, const unsigned char *mask, int most)
{
  const size_t pixels = (size_t)m->picture.width * (size_t)m->picture.height;
  uint32_t *count = allocate(pixels, sizeof *count, "a picture");
  unsigned char *used = allocate((size_t)m->inputs, 1, "a picture");
  Axis axis = axis_new(1);
  size_t j, pixel, number;
  int k;
  axis.low = 1;
  axis.high = most > 1 ? most : 2;
  m->picture.colours = SHADES;
  m->picture.pixel = allocate(pixels, 1, "a picture");
  memset(m->picture.pixel, GAP, pixels);
  memset(m->picture.palette[GAP], 128, 3);
  for (k = FIRST_SHADE; k < SHADES; k++)
    viridis_at(m->picture.palette[k], 1000 * (k - 1) / (SHADES - FIRST_SHADE));
  for (j = 0; j < e->size; j++) {
    pixel = pixel_of(m, e, j, &number);
    count[pixel] += mask[j] != 0;
    used[number] |= mask[j] != 0;
    m->picture.pixel[pixel] = NONE_LEFT;
  }
  for (j = 0; j < pixels; j++)
    if (count[j] > 0)
      m->picture.pixel[j] =
          (unsigned char)(FIRST_SHADE + place(&axis, count[j], SHADES - 1 - FIRST_SHADE));
  for (k = 0; k < m->inputs; k++) m->cut_off += !used[k];
  free(count);
  free(used);
}

/* As many connections as the mask has, at places drawn anew. Caller frees. */
static unsigned char *random_mask(const Entry *e, uint32_t level)
{
  const Stream stream = {0, RANDOM_MASK, level, 0};
  const unsigned char *mask = e->data;
  unsigned char *drawn = allocate(e->size, 1, "a mask");
  uint32_t *order = allocate(e->size, sizeof *order, "an order");
  size_t j, n = 0;
  random_order(order, e->size, stream);
  for (j = 0; j < e->size; j++)
    if (mask[j]) drawn[order[n++]] = 1;
  free(order);
  return drawn;
}

/* The row of a level and branch, or 0. */
static int row_of(const Table *t, const char *level, const char *branch)
{
  int row = t->rows;
  while (row > 0 && (strcmp(text_at(t, row, column(t, "level")), level) != 0 ||
                     strcmp(text_at(t, row, column(t, "branch")), branch) != 0))
    row--;
  return row;
}

/* The picture of the first layer of the network in that row; drawn: of as many connections
 * elsewhere. Returns what mask_size does, 0 if there is no picture. */
static int mask_of(MaskPicture *m, const Table *t, int row, int drawn, int *dims)
{
  Safetensors s;
  int k = 0, most;
  if (row == 0 || !read_network(t, row, &s)) return 0;
  while (k < s.entries && !is_mask(&s.entry[k])) k++;
  most = k < s.entries ? mask_size(m, &s.entry[k]) : 0;
  if (most > 0) {
    const Entry *e = &s.entry[k];
    unsigned char *other = drawn ? random_mask(e, (uint32_t)row) : NULL;
    mask_picture(m, e, drawn ? other : e->data, most);
    *dims = e->dims;
    free(other);
  }
  safetensors_free(&s);
  return most;
}

static const char of_inputs[] =
    "Each pixel is an input of the network; its colour is how many of its connections to the first "
    "layer survive. Black inputs have none: they are cut off, whatever the image shows there. If "
    "tickets win, pruning keeps the places where images differ, which nobody told it, while as "
    "many connections at other places are spread evenly.";
static const char of_kernels[] =
    "Each square is a kernel of the first layer; the colour of each of its places is how many of "
    "its connections, one per channel, survive. Kernels without any are empty.";

static int64_t rounded(int64_t x, int64_t to) { return (x + to / 2) / to * to; }

/* What the shades mean. */
static void mask_legend(Page *p, const MaskPicture *m, int y, int most)
{
  char text[64];
  int k;
  for (k = 0; k < SHADES; k++) {
    const unsigned char *c = m->picture.palette[k];
    if (k == GAP) continue;
    print(p, "<rect x=\"%d\" y=\"%d\" width=\"100\" height=\"100\"", 550 + 100 * k, y);
    put_fill(p, c);
    print(p, "/>\n");
  }
  label(p, "e", 510, y + 90, "none", 99);
  label(p, "", 750, y + 230, "1", 99);
  sprintf(text, "%d connections", most);
  label(p, "", 2200, y + 90, text, 99);
}

/* The first layer's mask level by level, and below it those of the controls that have masks of
 * their own or, if there are none, as many connections at random. */
static void masks_draw(Page *p, const Table *t)
{
  enum { ROWS = 3, NAMED = 150, TEXT_LINE = 130, ROW = NAMED + SHOT + TEXT_LINE + 60 };
  static const char *const own[] = {"shuffle", "random"};
  const char *branch[ROWS] = {"ticket"}, *level[100];
  const int levels = distinct(p, t->group, "level", level, 100);
  MaskPicture *m = allocate(ROWS * (SHOWN + 2), sizeof *m, "pictures"), *shot;
  int row[SHOWN + 2], n = 0, rows = 1, most = 0, dims = 0, first, y, k, r;
  char text[64], of[NAME];
  for (k = 0; k < 2; k++)
    for (r = 0; r < levels && branch[rows - 1] != own[k]; r++)
      if (row_of(t, level[r], own[k])) branch[rows++] = own[k];
  if (rows == 1) branch[rows++] = "as many at random";
  for (k = 0; k < levels; k++) {
    if (!is_shown(k, levels)) continue;
    row[n] = row_of(t, level[k], "ticket");
    r = mask_of(&m[ROWS * n], t, row[n], 0, &dims);
    if (r == 0) continue;
    most = r;
    for (r = 1; r < rows; r++) {
      const int of_branch = row_of(t, level[k], branch[r]), drawn = *branch[r] == 'a';
      mask_of(&m[ROWS * n + r], t, drawn ? row[n] : of_branch, drawn, &dims);
    }
    n++;
  }
  name_group(p, t->group, of, "");
  y = rows * ROW + 2 * TEXT_LINE;
  if (n > 0) figure_open(p, "What the first layer sees", of, (n + ACROSS - 1) / ACROSS * y + 300);
  for (y = 0, first = 0; first < n; first += ACROSS) {
    for (r = 0; r < rows; r++, y += ROW) {
      for (k = first; k < n && k < first + ACROSS; k++) {
        const int x = CELL * (k - first), under = y + NAMED + SHOT + TEXT_LINE;
        shot = &m[ROWS * k + r];
        if (r == 0) sprintf(text, "level %.9s", text_at(t, row[k], column(t, "level")));
        else sprintf(text, "%s", branch[r]);
        if (r == 0 || k == first) label(p, "", x, y + 110, text, 99);
        if (!shot->picture.pixel) continue;
        picture_draw(p, &shot->picture, x, y + NAMED, SHOT);
        sprintf(text, "%d %s", shot->cut_off, dims == 4 ? "empty" : "cut off");
        label(p, "", x, under, text, 99);
        if (r > 0) continue;
        number(text, rounded(number_at(t, row[k], column(t, "density")), ONE / 100), 0);
        strcat(text, "%");
        label(p, "", x, under + TEXT_LINE, text, 99);
      }
      y += r == 0 ? TEXT_LINE : 0;
    }
    y += TEXT_LINE;
  }
  if (n > 0) {
    mask_legend(p, &m[0], y, most);
    figure_close(p, dims == 4 ? of_kernels : of_inputs, "", "");
  }
  for (k = 0; k < ROWS * n; k++) free(m[k].picture.pixel);
  free(m);
}

enum { IMAGES = 10 };

/* The first image of each of the first ten classes, in two rows. The caller frees its pixels. */
static void ten_images(Picture *f, const Dataset *data)
{
  const size_t bytes = data->channels == 3 ? 3 : 1, across = IMAGES / 2;
  const size_t width = (size_t)data->width, height = (size_t)data->height;
  const size_t line = (across * (width + 1) - 1) * bytes, image = width * height;
  size_t j, k, c;
  f->width = (int)(line / bytes);
  f->height = 2 * data->height + 1;
  f->colours = bytes == 3 ? 0 : 256;
  for (k = 0; k < 256; k++) memset(f->palette[k], (int)k, 3);
  f->pixel = allocate((size_t)f->height, line, "images");
  memset(f->pixel, 128, (size_t)f->height * line); /* between them */
  for (k = 0; k < IMAGES && k < (size_t)data->classes; k++) {
    const unsigned char *pixel;
    unsigned char *corner =
        f->pixel + k / across * (height + 1) * line + k % across * (width + 1) * bytes;
    for (j = 0; j < data->train.n && data->train.label[j] != k;) j++;
    if (j == data->train.n) continue;
    pixel = data->train.pixel + j * image * (size_t)data->channels;
    for (j = 0; j < image; j++)
      for (c = 0; c < bytes; c++)
        corner[j / width * line + j % width * bytes + c] = pixel[c * image + j];
  }
}

/* Ten images of the training set of that table where they can be had: built-in sets are made. */
static void data_draw(Page *p, const Table *t)
{
  const char *name = value_of(t, "data"), *size = value_of(t, "train-size");
  const int built_in = !strncmp(name, "synth", 5);
  const size_t n = strlen(name);
  Picture f = {0};
  Dataset data;
  char digest[17];
  int same;
  if (!built_in && (!p->data || strcspn(p->data, ":") != n || strncmp(p->data, name, n) != 0)) {
    print(p,
          "<p>Images of %s are not shown: <code>ticket report --data %s:DIR</code> reads them "
          "from DIR.</p>\n",
          name, name);
    return;
  }
  dataset_load(&data, built_in ? name : p->data, (size_t)strtoul(size, NULL, 10));
  same = !strcmp(digest_text(digest, data_digest(&data)), value_of(t, "data-digest"));
  if (!same && !built_in)
    fail("--data %s: its digest is %s, but %s was measured on %.40s, digest %.40s", p->data, digest,
         t->path, name, value_of(t, "data-digest"));
  if (same) {
    ten_images(&f, &data);
    figure_open(p, "Ten images of the training set", name, 4000 * f.height / f.width);
    picture_draw(p, &f, 0, 0, 4000);
    figure_close(p, "The first of each class, 0 to 4 and below them 5 to 9.", "", "");
    free(f.pixel);
  }
  dataset_free(&data);
}

static const struct {
  const char *what, *title, *unit;
  int bounded; /* the scale has 0 and 1 on every page */
  const char *caption;
} measures[] = {
    {"angle", "Angles", "2 angle / pi", 1,
     "Of the weights that survive in both networks: 0 the same direction, 1 orthogonal. If tickets "
     "win, those of successive levels are alike (dark near the diagonal), while a control's differ "
     "from each other."},
    {"cosine", "Cosines", "cosine", 1,
     "Of the weights that survive in both networks: 1 the same direction, 0 orthogonal. If tickets "
     "win, those of successive levels are alike (bright near the diagonal)."},
    {"l2", "Euclidean distances", "distance", 0, "Of the weights that survive in both; 0: equal."},
    {"l1", "Mean absolute distances", "distance", 0,
     "Of the weights that survive in both; 0: equal."},
    {"disagreement", "Disagreement", "test images (%)", 0,
     "Share of the test images that two networks call by different names; 0: none."},
    {"kl", "Divergence (KL)", "nats", 0, "Of the predictions, from row to column; 0: the same."},
    {"js", "Divergence (JS)", "nats", 0,
     "Of the predictions; 0: the same, 0.69: nothing in common."},
    {"", "Distances", "distance", 0, "Each cell compares two networks."},
};

/* Which of them. */
static int measure_of(const char *what)
{
  int k = 0;
  while (*measures[k].what && strcmp(measures[k].what, what) != 0) k++;
  return k;
}

/* Makes the scale reach over all of the page's matrices of that kind. */
static void matrix_scale(const Page *p, const char *what, Heat *h)
{
  Axis axis = axis_new(0);
  int k, r, c;
  if (measures[measure_of(what)].bounded) {
    axis_widen(&axis, 0);
    axis_widen(&axis, ONE);
  }
  for (k = 0; k < p->tables; k++) {
    const Table *t = &p->table[k];
    for (r = 1; r <= t->rows && t->kind == MATRIX && !strcmp(value_of(t, "what"), what); r++)
      for (c = 1; c < t->columns; c++) axis_widen(&axis, number_at(t, r, c));
  }
  h->least = axis.low <= axis.high ? axis.low : NONE;
  h->most = axis.low <= axis.high ? axis.high : NONE;
}

/* What a row or column of a matrix is called: its level alone if it is of the branch and run of
 * `first`. Returns whether it is. */
static int matrix_name(char name[NAME], const char *path, const Network *first)
{
  const Network n = network_of(path);
  const int same =
      *n.level && !*n.copy && !strcmp(n.branch, first->branch) && !strcmp(n.prefix, first->prefix);
  if (same) strcpy(name, n.level);
  else in_words(name, &n, first->prefix);
  return same;
}

/* The table that distance prints. */
static void matrix_draw(Page *p, const Table *t)
{
  static char row[NETWORKS][NAME], head[NETWORKS][NAME];
  Heat *h = allocate(1, sizeof *h, "a matrix");
  const char *what = value_of(t, "what");
  const int m = measure_of(what), n = t->columns - 1;
  Network first;
  int r, c, k, levels = 0, alike = 0;
  if (n < 1 || t->rows < 1 || n > NETWORKS || t->rows > NETWORKS)
    fail("%s: a matrix of %d x %d is not one that a page can show (1 to %d networks)", t->path,
         t->rows, n, NETWORKS);
  first = network_of(text_at(t, 0, 1));
  h->title = measures[m].title;
  h->unit = measures[m].unit;
  h->caption = measures[m].caption;
  h->rows = t->rows;
  h->columns = n;
  matrix_scale(p, what, h);
  for (c = 0; c < n; c++) {
    levels += matrix_name(head[c], text_at(t, 0, 1 + c), &first);
    h->head[c] = head[c];
  }
  for (r = 0; r < h->rows; r++) {
    matrix_name(row[r], text_at(t, 1 + r, 0), &first);
    h->row[r] = row[r];
    for (c = 0; c < n; c++) h->value[r][c] = number_at(t, 1 + r, 1 + c);
  }
  h->under = levels >= n - 1 ? "level" : "network";
  for (k = 0; k < p->tables; k++) {
    const Table *other = &p->table[k];
    if (other->kind == MATRIX && other->columns > 1 && !strcmp(value_of(other, "what"), what))
      alike += !strcmp(network_of(text_at(other, 0, 1)).branch, first.branch);
  }
  heat_draw(p, h, alike < 2 && levels >= n - 1 ? first.branch : t->label);
  free(h);
}

/* ==== settings, digests, commands =========================================================== */

/* n bytes of s as a word of the command, in quotes if a shell would not take it as it is. */
static void put_word(Page *p, const char *s, size_t n)
{
  const int plain =
      n > 0 &&
      strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+=:,/%@") >= n;
  const char *quote;
  print(p, plain ? " " : " '");
  for (; (quote = memchr(s, '\'', n)) != NULL; n -= (size_t)(quote + 1 - s), s = quote + 1) {
    put(p, s, (size_t)(quote - s));
    print(p, "'\\''");
  }
  put(p, s, n);
  if (!plain) print(p, "'");
}

/* Whether a column has no value in any row. */
static int is_empty(const Table *t, int c)
{
  int row = 1;
  while (row <= t->rows && !strcmp(text_at(t, row, c), "-")) row++;
  return row > t->rows;
}

/* A table's settings, the command that repeats it and, but for paths and matrices, what it
 * holds. */
static void settings(Page *p, const Table *t)
{
  /* are no options */
  static const char *const none[] = {"ticket",        "command", "data-digest", "init-digest",
                                     "ticket-digest", "network", "checksum",    NULL};
  const char *command = value_of(t, "command"), *data = value_of(t, "data"),
             *file = t->kind <= EPOCHS ? t->name : t->path;
  const int collapsed = column(t, "collapsed");
  unsigned char *empty;
  int k, row, c, n;
  print(p, "<h3>%s (%r)</h3>\n<p class=\"kv\">", t->path, kinds[t->kind].what);
  for (k = 0; k < t->pairs; k++) print(p, "<span>%s = %s</span>\n", t->key[k], t->value[k]);
  print(p, "</p>\n<pre>ticket");
  put_word(p, command, strlen(command));
  for (k = 0; k < t->pairs; k++) { /* a network is `file digest` */
    const char *space = strrchr(t->value[k], ' ');
    if (!strcmp(t->key[k], "network"))
      put_word(p, t->value[k], space ? (size_t)(space - t->value[k]) : strlen(t->value[k]));
  }
  for (k = 0; k < t->pairs && strchr(t->key[k], '_') == NULL; k++) {
    const char *key = t->key[k], *value = t->value[k];
    const int flag = !strcmp(key, "nesterov");
    if (among(none, key) || !strcmp(value, "-") || p->is_standard(key, value)) continue;
    if (t->kind > STABILITY && !strcmp(key, "model")) continue; /* the files say it */
    print(p, " --%s", key);
    if (!flag) put_word(p, value, strlen(value));
    if (value == data && strncmp(data, "synth", 5) != 0) print(p, ":DIR");
  }
  if (strcmp(value_of(t, "init-digest"), "-") != 0) print(p, " --init FILE");
  if (strcmp(value_of(t, "ticket-digest"), "-") != 0) print(p, " --ticket FILE");
  print(p, t->kind <= EPOCHS ? " --out" : " &gt;");
  put_word(p, file, strlen(file));
  print(p, "</pre>\n");
  if (t->rows == 0 || t->kind == LINE || t->kind == MATRIX) return;
  empty = allocate((size_t)t->columns, 1, "a table");
  for (c = 0; c < t->columns; c++) empty[c] = (unsigned char)is_empty(t, c);
  print(p, "<div class=\"wide\"><table>\n");
  for (row = 0; row <= t->rows; row++) {
    if (t->kind == PROBE && !strcmp(text_at(t, row, 0), "histogram")) continue;
    print(p, row > 0 ? "</tr>\n" : "");
    print(p, row > 0 && lost(t, row) ? "<tr style=\"background:var(--faint)\">" : "<tr>");
    for (c = 0; c < t->columns; c++) {
      const char *text = text_at(t, row, c);
      if (empty[c]) continue;
      if (row > 0 && !strcmp(text, "-")) text = c == collapsed ? "none" : "not measured";
      print(p, row > 0 ? "<td>%s</td>" : "<th>%s</th>", text);
    }
  }
  print(p, "</tr>\n</table></div>\n");
  for (n = c = 0; c < t->columns; c++)
    if (c != collapsed && empty[c])
      print(p, "%r%s", n++ > 0 ? ", " : "<p>Not measured: ", text_at(t, 0, c));
  print(p, n > 0 ? ".</p>\n" : "");
  free(empty);
}

/* Networks that a run will have. */
static int expected_rows(const Table *t)
{
  const int train = !strcmp(value_of(t, "command"), "train"),
            one_shot = strcmp(value_of(t, "one-shot"), "-") != 0;
  const long levels = train ? 1 : one_shot ? 2 : strtol(value_of(t, "levels"), NULL, 10);
  const char *at = value_of(t, "branches");
  int n = levels > 0 && levels < 100 ? (int)levels : 0, rows = n;
  for (; strcmp(at, "-") != 0 && *at; at += strcspn(at, ","), at += *at == ',')
    /* those begin at level 1 */
    rows += !strncmp(at, "shuffle", 7) || !strncmp(at, "random", 6) ? n - 1 : n;
  return rows;
}

/* What was run how often, and what is missing. */
static void summary(Page *p, int group)
{
  const Table *first = &p->table[group], *t;
  char name[NAME];
  int runs = 0, row;
  name_group(p, group, name, "");
  print(p, "<p>%s%r%s on %s", name, *name ? ": " : "", value_of(first, "model"),
        value_of(first, "data"));
  for (t = first; t < p->table + p->tables; t++)
    if (t->group == group) print(p, "%r%s", runs++ ? ", " : ", seed ", value_of(t, "seed"));
  print(p, "%r</p>\n",
        runs > 1 ? "; points are means over these runs, bars reach from the lowest to the highest."
                 : ".");
  for (t = first; t < p->table + p->tables; t++)
    if (t->group == group && t->rows < expected_rows(t))
      print(p,
            "<p><strong>%s is unfinished: %d of %d networks</strong>, unless it ended where "
            "nothing was left to "
            "prune; the command below goes on with it.</p>\n",
            t->path, t->rows, expected_rows(t));
  for (t = first; t < p->table + p->tables; t++)
    for (row = 1; row <= t->rows && t->group == group; row++)
      if (lost(t, row))
        print(p,
              "<p><strong>%s, level %s, branch %s: no weight is left in %s</strong>; its points "
              "have a ring, its row is shaded.</p>\n",
              t->path, text_at(t, row, column(t, "level")), text_at(t, row, column(t, "branch")),
              lost(t, row));
}

/* Mean over a group's runs of a column at a level and branch, or NONE. */
static int64_t mean_of(const Page *p, int group, const char *level, const char *branch,
                       const char *name)
{
  int64_t sum = 0, x;
  int k, row, n = 0;
  for (k = 0; k < p->tables; k++) {
    const Table *t = &p->table[k];
    row = t->group == group && t->kind == RUN ? row_of(t, level, branch) : 0;
    x = row > 0 ? number_at(t, row, column(t, name)) : NONE;
    if (x == NONE) continue;
    sum += x;
    n++;
  }
  return n > 0 ? rounded(sum / n, 100) : NONE;
}

/* What came of a group of runs, in a sentence: the errors of the dense network and of the sparsest
 * ticket and its controls. */
static void result(Page *p, int group)
{
  const char *level[100], *branch[SERIES];
  const int levels = distinct(p, group, "level", level, 100);
  const int branches = distinct(p, group, "branch", branch, SERIES);
  int64_t error = NONE;
  int l = levels, b, said = 0;
  while (l > 0 && error == NONE) error = mean_of(p, group, level[--l], "ticket", "test_error");
  if (error == NONE) return;
  if (l > 0)
    print(p,
          "<p>The dense network errs on %n%% of the test images. At %n%% of the weights (level %s) "
          "the ticket errs on %n%%",
          mean_of(p, group, level[0], "ticket", "test_error"),
          mean_of(p, group, level[l], "ticket", "density"), level[l], error);
  else print(p, "<p>The network errs on %n%% of the test images", error);
  for (b = 0; b < branches; b++) {
    error = mean_of(p, group, level[l], branch[b], "test_error");
    if (!strcmp(branch[b], "ticket") || error == NONE) continue;
    print(p, ", %r%s on %n%%", said++ ? "" : "its ", branch[b], error);
  }
  print(p, ".</p>\n");
}

/* What the page speaks of. */
static void definitions(Page *p)
{
  print(
      p,
      "<dl>\n"
      "<dt>level</dt><dd>How often weights were pruned: level 0 is the whole network, and at each "
      "level those of smallest magnitude go.</dd>\n"
      "<dt>mask</dt><dd>Which connections are left; the others are 0 and cost nothing.</dd>\n"
      "<dt>ticket</dt><dd>A mask that pruning found, with the initial values that these weights "
      "had before any training; trained again.</dd>\n"
      "<dt>reinit</dt><dd>The control: the ticket's mask with other initial values, trained the "
      "same way. If it does worse, the mask alone is not the secret.</dd>\n</dl>\n");
}

static const char style[] =
    ":root{color-scheme:light "
    "dark;--paper:#fff;--ink:#1a1a1a;--faint:#d8d8d8;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#"
    "b0568f;--c4:#b07800;--c5:#3a9ad9;--c6:#555}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#16181c;--ink:#e6e6e6;--faint:#44484f;--c0:#"
    "56a8e8;--c1:#ff8240;--c2:#2fce9f;--c3:#e493c4;--c4:#f0b840;--c5:#9bd4ff;--c6:#b8b8b8}}\n"
    "body{background:var(--paper);color:var(--ink);font:15px/1.4 "
    "system-ui,sans-serif;max-width:1240px;margin:0 auto;padding:0 16px 40px}\n"
    "h1,h2,h3,p,span,pre,figcaption{overflow-wrap:anywhere}h1{font-size:24px}h2{font-size:20px;"
    "border-bottom:1px solid var(--faint)}h3{font-size:15px;margin:0 0 4px}\n"
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,370px),1fr));gap:"
    "28px}figure{margin:0;break-inside:avoid}figcaption{font-size:13px}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 12px}dt{font-weight:600}"
    "dd{margin:0}image{image-rendering:pixelated}\n"
    "figure>svg{width:100%;height:auto;display:block}text{font:110px "
    "system-ui,sans-serif;fill:var(--ink)}.c{text-anchor:middle}.e{text-anchor:end}\n"
    ".l{fill:none;stroke-width:16}.b{fill:none;stroke-width:9}.h{opacity:0}.h:hover{opacity:1}.g{"
    "stroke:var(--faint);stroke-width:8;fill:none}.none{fill:var(--faint)}rect{shape-rendering:"
    "crispEdges}\n"
    ".d1{stroke-dasharray:60 30}.d2{stroke-dasharray:18 26}.d3{stroke-dasharray:90 26 18 26}\n"
    ".kv{font-size:12px}.kv "
    "span{display:inline-block;margin-right:16px}pre{white-space:pre-wrap;font-size:12px;border:"
    "1px solid var(--faint);padding:6px}\n"
    ".wide{overflow-x:auto;margin-bottom:24px}table{border-collapse:collapse;font:11px/1.3 "
    "ui-monospace,monospace}td,th{padding:1px 8px;text-align:right;border-bottom:1px solid "
    "var(--faint)}\n"
    "@media "
    "print{:root{--paper:#fff;--ink:#000;--faint:#ccc;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#"
    "b0568f;--c4:#b07800;--c5:#3a9ad9;--c6:#555}"
    "body{padding:0}.grid{grid-template-columns:1fr "
    "1fr}.wide{overflow:visible}table{font-size:7px}}\n";

/* How a page begins. */
static void page_open(Page *p)
{
  const Table *t = p->table;
  const Table *const end = t + p->tables;
  int k;
  while (t < end && !strcmp(value_of(t, "data"), "-")) t++;
  if (t == end) t = p->table;
  print(p,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
        "name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>Lottery tickets: %s on %s</title>\n<style>\n%r",
        value_of(t, "model"), value_of(t, "data"), style);
  for (k = 0; k < STYLES; k++)
    print(p, ".s%d{stroke:var(--c%d)}.m.s%d,.h.s%d{fill:var(--c%d)}\n", k, k, k, k, k);
  print(p, "</style>\n</head>\n<body>\n<h1>Lottery tickets: %s on %s</h1>\n", value_of(t, "model"),
        value_of(t, "data"));
}

void write_report(char *const *name, int n, const char *out, const char *data,
                  Standard *is_standard)
{
  Page *p = allocate(1, sizeof *p, "the page");
  char *path;
  int k, kind;
  p->is_standard = is_standard;
  p->data = data;
  for (k = 0; k < FIGURES && (size_t)k < sizeof figures / sizeof figures[0]; k++) {
    p->shared[k][0] = axis_new(figures[k].kind == RUN);
    p->shared[k][1] = axis_new(figures[k].log);
  }
  for (k = 0; k < n; k++) {
    const size_t length = strlen(name[k]);
    add_table(p,
              join(name[k], "", length > 4 && !strcmp(name[k] + length - 4, ".tsv") ? "" : ".tsv"));
  }
  path = join(*out ? out : p->table[0].name, "", ".html");
  output_open(&p->out, path);
  page_open(p);
  for (k = 0; k < p->tables; k++)
    if (p->table[k].kind == RUN && p->table[k].group == k) {
      summary(p, k);
      result(p, k);
    }
  definitions(p);
  p->heading = "The data";
  for (k = 0; k < p->tables; k++) {
    const char *set = value_of(&p->table[k], "data");
    int before = 0;
    while (strcmp(value_of(&p->table[before], "data"), set) != 0) before++;
    if (before == k && strcmp(set, "-") != 0) data_draw(p, &p->table[k]);
  }
  for (kind = 0; kind < KINDS; kind++) {
    charts(p, kind);
    for (k = 0; k < p->tables; k++) {
      if (kind == RUN && p->table[k].kind == RUN && p->table[k].group == k) {
        layers_draw(p, &p->table[k]);
        masks_draw(p, &p->table[k]);
      }
      if (kind == MATRIX && p->table[k].kind == MATRIX) matrix_draw(p, &p->table[k]);
    }
  }
  print(p, "%r<h2>Settings, digests and the commands that repeat them</h2>\n",
        p->open ? "</div>\n" : "");
  for (k = 0; k < p->tables; k++)
    if (p->table[k].kind != EPOCHS) settings(p, &p->table[k]);
  print(p,
        "<p>Values that are not finite or above 10<sup>10</sup> are not drawn. Written by ticket "
        "%r.</p>\n</body>\n</html>\n",
        TICKET_VERSION);
  output_close(&p->out);
  printf("%s\n", path);
  free(path);
}
