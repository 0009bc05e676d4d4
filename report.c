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

/* Of tables; then of charts that are made of several tables of a kind. */
enum {
  RUN_KIND,
  EPOCHS_KIND,
  STABILITY_KIND,
  LINE_KIND,
  PLANE_KIND,
  PROBE_KIND,
  MATRIX_KIND,
  PUBLISHED_KIND,
  KINDS,
  BATCH_KIND = KINDS,
  ANGLE_KIND,
  ALL_KINDS
};
static const struct {
  /* how the header begins; the column of its figures' x axis */
  /* section: NULL: that of the kind before it on the page */
  const char *header, *what, *x, *x_name, *section;
} kinds[ALL_KINDS] = {
    {"level\tbranch\tweights\t", "run", "density", "weights that remain (%)",
     "What is lost by pruning"},
    {"level\tbranch\tcopy\t", "training curves", "step", "training step", "How they train"},
    {"step\ttrain_instability\t", "instability", "step", "step from which copies differ",
     "When training becomes stable"},
    {"at\ttrain_loss\t", "path", "at", "place between the networks (0: first, 1: second)",
     "Between networks"},
    {"network\tx\ty\ttrain_loss\t", "plane", NULL, NULL, NULL},
    {"quantity\twhere\tvalue", "probe", "where", "value of the weight", "Inside networks"},
    {"network\t", "matrix", NULL, NULL, NULL},
    {"chart\tline\tx\ty\tlow\thigh", "published values", NULL, NULL, NULL},
    {NULL, NULL, NULL, "batch size", NULL},
    {NULL, NULL, NULL, "level", "Distances"},
};
enum { SHEETS = 256, SERIES = 40, NETWORKS = 128, NAME = 400, FIGURES = 32 };

/* A table, and what it is on the page. */
typedef struct {
  Table table;
  char *name;        /* its path without .tsv */
  const char *label; /* the name without folders, or with as few as tell it from the others */
  int kind, group;   /* group: the first table that differs in its seeds only */
} Sheet;

typedef struct {
  int log, ticks;
  int64_t low, high, tick[40];
} Axis;

/* The page and all that it is made from. */
typedef struct {
  Output out, values; /* values: every point drawn, if writes_values */
  int writes_values;
  Sheet sheet[SHEETS];
  int sheets;
  const char *data;      /* which set the images are read from; NULL: only built-in ones are */
  Standard *is_standard; /* whether an option has a value anyway */
  const char *heading;   /* of the section whose figures come now; NULL once it is written */
  int open;              /* a section is */
  int measuring;         /* figures are not drawn, only the axes that they share are found: */
  Axis shared[FIGURES][2];
  const char *said[FIGURES]; /* the captions that stand on the page */
  int says;
} Page;

/* The tensors without any weight left, as the row names them, or NULL. */
static const char *lost(const Sheet *t, int row)
{
  const char *text = table_cell(&t->table, row, table_column(&t->table, "collapsed"));
  return strcmp(text, "-") != 0 ? text : NULL;
}

/* A cell's decimal number in millionths, rounded half up in size; fails if it is none. */
static int64_t number_at(const Sheet *t, int row, int c)
{
  static const uint64_t full = UINT64_C(100000000000000000);
  const char *const text = table_cell(&t->table, row, c), *s = text;
  uint64_t m = 0;
  int point = 0, digits = 0, places = 0; /* places: digits after the point */
  if (!strcmp(s, "-")) return NONE;
  s += *s == '-' || *s == '+';
  if (*s && strchr("nNiI", *s)) return NONE; /* nan, inf */
  while ((*s >= '0' && *s <= '9') || (*s == '.' && !point)) {
    if (*s == '.') point = 1;
    else {
      digits++;
      places += point;
      if (places > 6) m += places == 7 && *s >= '5';
      else m = m < full ? 10 * m + (uint64_t)(*s - '0') : full;
    }
    s++;
  }
  if (*s || digits == 0)
    fail("%s: row %d: '%.40s' is not a number; the file was changed or damaged", t->table.path, row,
         text);
  while (places++ < 6) m = m < full ? 10 * m : full;
  return m > (uint64_t)LIMIT ? NONE : *text == '-' ? -(int64_t)m : (int64_t)m;
}

/* Reads a table of any kind; `path` stays with it. */
static void read_sheet(Sheet *s, char *path)
{
  const Table *t = &s->table;
  char *header;
  memset(s, 0, sizeof *s);
  table_open(&s->table, path, 0);
  s->name = join(path, "", "");
  s->name[strlen(path) - 4] = 0;
  s->label = strrchr(s->name, '/') ? strrchr(s->name, '/') + 1 : s->name;
  if (t->columns == 0) fail("%s: has no table in it; choose a result file of ticket", path);
  header = table_row(t, 0);
  while (s->kind < KINDS &&
         strncmp(header, kinds[s->kind].header, strlen(kinds[s->kind].header)) != 0)
    s->kind++;
  if (s->kind == KINDS)
    fail("%s: is not a table of imp, train, lmc, curve, distance, probe or stability: its header "
         "is '%.40s'",
         path, header);
  free(header);
  table_rows(&s->table);
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
static int has_settings(const Sheet *b, const Sheet *a)
{
  int k;
  for (k = 0; k < a->table.pairs; k++)
    if (is_setting(a->table.key[k]) && strcmp(table_value(&a->table, a->table.key[k]),
                                              table_value(&b->table, a->table.key[k])) != 0)
      return 0;
  return 1;
}

/* Reads the table of that name, and the training curves of a run. */
static void add_sheet(Page *p, char *path)
{
  Sheet *t = &p->sheet[p->sheets];
  char *epochs;
  int k;
  for (k = 0; k < p->sheets; k++)
    if (!strcmp(p->sheet[k].table.path, path)) return;
  if (p->sheets == SHEETS)
    fail_usage("%s: more than %d tables are too many for a page", path, SHEETS);
  read_sheet(t, path);
  t->group = p->sheets++;
  for (k = 0; k < p->sheets - 1; k++) {
    const Sheet *other = &p->sheet[k];
    if (t->kind > STABILITY_KIND || other->kind != t->kind || !has_settings(other, t) ||
        !has_settings(t, other))
      continue;
    if (!strcmp(table_value(&other->table, "seed"), table_value(&t->table, "seed")) &&
        !strcmp(table_value(&other->table, "order-seed"), table_value(&t->table, "order-seed")))
      fail("%s: is the same run as %s, seed %.40s; give one of them", path, other->table.path,
           table_value(&t->table, "seed"));
    t->group = other->group;
    break;
  }
  if (t->kind != RUN_KIND) return;
  epochs = join(t->name, "", ".epochs.tsv");
  if (file_exists(epochs)) add_sheet(p, epochs);
}

/* Begins the label of a table one folder further up; 0 if there is none. */
static int widen(Sheet *s)
{
  if (s->label == s->name) return 0;
  s->label--;
  while (s->label > s->name && s->label[-1] != '/') s->label--;
  return 1;
}

/* Tables of one name, in several folders, get labels that tell them apart. */
static void widen_labels(Page *p)
{
  int a, b, changed = 1;
  while (changed) {
    changed = 0;
    for (a = 0; a < p->sheets; a++)
      for (b = a + 1; b < p->sheets; b++)
        if (!strcmp(p->sheet[a].label, p->sheet[b].label))
          changed |= widen(&p->sheet[a]) | widen(&p->sheet[b]);
  }
}

/* ==== the page ============================================================================== */

/* Bytes of the printable UTF-8 character at s, `most` bytes of it at most; 0 if it is none. */
static size_t character(const char *s, size_t most, unsigned long *code)
{
  const unsigned char *u = (const unsigned char *)s;
  const size_t size = u[0] < 0x80                   ? 1
                      : u[0] >= 0xc2 && u[0] < 0xe0 ? 2
                      : u[0] >= 0xe0 && u[0] < 0xf0 ? 3
                      : u[0] >= 0xf0 && u[0] < 0xf5 ? 4
                                                    : 0;
  unsigned long c = size < 2 ? u[0] : u[0] & (0x7fu >> size);
  size_t k;
  if (size == 0 || size > most) return 0;
  for (k = 1; k < size; k++) {
    if ((u[k] & 0xc0) != 0x80) return 0;
    c = c << 6 | (u[k] & 0x3fu);
  }
  *code = c;
  if (c < 32 || (c > 126 && c < 160) || c > 0x10ffff || (size == 3 && c < 0x800) ||
      (size == 4 && c < 0x10000))
    return 0;
  if ((c >= 0xd800 && c < 0xe000) || (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c < 0xfdf0))
    return 0;
  return size;
}

/* Text from a file or a name, `most` bytes of it: markup is escaped, what is not printable UTF-8
 * becomes a question mark. */
static void put_text(Page *p, const char *s, size_t most)
{
  const char *const end = s + (strlen(s) < most ? strlen(s) : most);
  while (s < end) {
    unsigned long code = 0;
    const size_t size = character(s, (size_t)(end - s), &code);
    if (size == 0) output_print(&p->out, "?");
    else if (strchr("&<>\"'", *s)) output_print(&p->out, "&#%lu;", code);
    else output_bytes(&p->out, s, size);
    s += size > 0 ? size : 1;
  }
}

/* Millionths as decimals without zeros at the end, in units of a thousand, million ... if `like` is
 * large. */
static const char *in_units(char text[64], int64_t x, int64_t like)
{
  static const char *const unit[] = {"", "k", "M", "G"};
  const uint64_t size = x < 0 ? (uint64_t)-x : (uint64_t)x;
  uint64_t one = (uint64_t)ONE;
  int k = 0, n;
  if (like < 0) like = -like;
  while (k < 3 && like >= 10000 * ONE) {
    like /= 1000;
    one *= 1000;
    k++;
  }
  n = sprintf(text, "%s%" PRIu64 ".%0*" PRIu64, x < 0 ? "-" : "", size / one, 6 + 3 * k,
              size % one);
  while (text[n - 1] == '0') n--;
  if (text[n - 1] == '.') n--;
  strcpy(text + n, x == 0 ? "" : unit[k]);
  return text;
}

/* Writes the format with %d an int, %s text from a file or a name (put_text), %r the program's own
 * text, %n millionths (in_units), %% a percent sign. */
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
    case 's': put_text(p, va_arg(list, const char *), SIZE_MAX); break;
    case 'r': output_print(&p->out, "%s", va_arg(list, const char *)); break;
    case '%': output_print(&p->out, "%%"); break;
    case 'n': output_print(&p->out, "%s", in_units(text, va_arg(list, int64_t), 0)); break;
    }
  }
  va_end(list);
}

/* A label in a figure, `size` bytes of it at most. */
static void label(Page *p, const char *class, int x, int y, const char *text, size_t size)
{
  print(p, "<text class=\"%r\" x=\"%d\" y=\"%d\">", class, x, y);
  put_text(p, text, size);
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
  for (; n > 0; n--) {
    *at++ = (unsigned char)(x & 255);
    x >>= 8;
  }
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
  if (step == 0) x = of_ten[k % 3];
  k = step == 0 ? k / 3 : k * step;
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
  if (low == high && log) {
    low = low / 2 + 1;
    high = 2 * high;
  } else if (low == high && low == 0) high = ONE;
  else if (low == high) low -= 1 + (low < 0 ? -low : low) / 10;
  if (log) {
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

/* The text of a tick; all of a linear axis are in the unit of its largest number, those of a
 * logarithmic one below a thousandth as 2e-5. */
static const char *tick(char text[64], const Axis *a, int k)
{
  int64_t x = a->tick[k];
  int tens = -6;
  const int64_t most = -a->low > a->high ? -a->low : a->high;
  if (!a->log || x >= ONE / 1000) return in_units(text, x, a->log ? x : most);
  for (; x % 10 == 0; x /= 10) tens++;
  sprintf(text, "%de%d", (int)x, tens);
  return text;
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
  /* style: its colour, the same for a branch everywhere; nth: which line of that colour it is,
   * seen by dashes and mark */
  int published, style, nth, mark;
  int64_t opacity; /* millionths */
} Series;

/* A figure of tables of a kind: y = base + column plus - column minus (where there is one). Of a
 * matrix of angles plus is the network up to which they are: the next one, or the last. */
typedef struct {
  int kind, log;
  const char *title, *y_name;
  int64_t base;
  const char *plus, *minus, *caption;
} Figure;

/* Of one kind those with the same unit share their axes. */
static const Figure figures[] = {
    {RUN_KIND, 0, "Test accuracy", "accuracy (%)", 100 * INT64_C(1000000), NULL, "test_error",
     "On images that training never saw. If tickets win, their line falls less to the right, where "
     "few weights remain, than that of the same masks with other initial values (reinit)."},
    {RUN_KIND, 0, "Training accuracy", "accuracy (%)", 100 * INT64_C(1000000), NULL, "train_error",
     "A line leaves 100% where so few weights, from these initial values, no longer learn the "
     "training set by heart; if tickets win, that happens to them last."},
    {RUN_KIND, 0, "Overfitting: gap between test and training error",
     "test error - training error (points)", 0, "test_error", "train_error",
     "Test error minus training error: what was learned by heart and is of no use for new images. "
     "A line that falls again to the right is no merit: such a network errs on the training set "
     "too. If tickets win, that happens to them last."},
    {RUN_KIND, 0, "Pruning threshold", "largest magnitude pruned", 0, "threshold", NULL,
     "Of a trained network's weights the smallest are pruned; this is the largest of those. "
     "(Controls, such as reinit, and the last level are not pruned: for them, what it would be.) "
     "If tickets win, their weights are larger than those with other initial values."},
    {RUN_KIND, 0, "Barrier on the test set", "points of error", 0, "test_barrier", NULL,
     "Highest error on the straight line to the same branch one level denser, minus the mean of "
     "its two ends. Ends of unequal error give a barrier without any hill on the line; only the "
     "height, where it was measured, is 0 without a hill."},
    {RUN_KIND, 0, "Barrier on the training set", "points of error", 0, "train_barrier", NULL, ""},
    {RUN_KIND, 0, "Height of the barrier on the test set", "points of error", 0, "test_height",
     NULL,
     "Highest error above the straight line between the errors of the same two ends: 0 where there "
     "is no hill, however unequal they are. If tickets win it stays near 0: each lies in the basin "
     "of the last."},
    {RUN_KIND, 0, "Height of the barrier on the training set", "points of error", 0, "train_height",
     NULL, ""},
    {RUN_KIND, 0, "Instability on the test set", "points of error", 0, "test_instability", NULL,
     "Error barrier (above the mean of the two ends) between copies trained under different data "
     "orders; tickets tend to win where it is near 0, as the order no longer decides the outcome "
     "there."},
    {RUN_KIND, 0, "Instability on the training set", "points of error", 0, "train_instability",
     NULL, ""},
    {EPOCHS_KIND, 1, "Training loss", "mean loss of the epoch", 0, "train_loss", NULL,
     "In brackets: weights that remain. A line further left and below learns faster. If tickets "
     "win, those with not too few weights begin faster than level 0, the dense network, and each "
     "pruned level is faster than the same level of reinit."},
    {EPOCHS_KIND, 0, "Training error", "error (%)", 0, "train_error", NULL,
     "Of an epoch's images, each counted just before the step that learns from it. If tickets win, "
     "each pruned level learns faster than the same level of reinit."},
    {EPOCHS_KIND, 0, "Test error", "error (%)", 0, "test_error", NULL,
     "On images that training never saw; level 0 is the dense network. If tickets win, each pruned "
     "level comes down earlier and further than the same level of reinit. (After every epoch where "
     "the training set is large, else less often.)"},
    {STABILITY_KIND, 0, "Instability on the test set", "points of error", 0, "test_instability",
     NULL,
     "Barrier between copies trained apart from that step: highest error on the line minus the "
     "mean of its two ends, which ends of unequal error raise without any hill. The first step "
     "where it is near 0 is the earliest to rewind to if tickets are to win."},
    {STABILITY_KIND, 0, "Instability on the training set", "points of error", 0,
     "train_instability", NULL, ""},
    {STABILITY_KIND, 0, "Height of the barrier on the test set", "points of error", 0,
     "test_height", NULL,
     "Highest error above the straight line between the errors of the same two ends: 0 where there "
     "is no hill between the copies, however unequal they are."},
    {STABILITY_KIND, 0, "Height of the barrier on the training set", "points of error", 0,
     "train_height", NULL, ""},
    {LINE_KIND, 0, "Test error on the way", "error (%)", 0, "test_error", NULL,
     "On the straight line between two trained networks. A hill is a barrier: they lie in two "
     "basins of the loss. If tickets win, there is none between those of successive levels. A "
     "curve is a path whose bend was trained; where it stays low, there is a way around the hill."},
    {LINE_KIND, 0, "Training error on the way", "error (%)", 0, "train_error", NULL, ""},
    {LINE_KIND, 0, "Test loss on the way", "test loss", 0, "test_loss", NULL,
     "The same ways by mean loss: a hump well above both ends is a barrier."},
    {LINE_KIND, 1, "Training loss on the way", "training loss", 0, "train_loss", NULL,
     "On a logarithmic axis, so that differences between small losses show; a slope without a hump "
     "is no barrier."},
    {PROBE_KIND, 0, "Weights by value", "weights per 0.01", 0, "value", NULL,
     "Surviving weights after training. If tickets win, theirs have two peaks away from 0: weights "
     "that pruning once kept because they were large become large again. Under the same mask other "
     "initial values (reinit) stay around 0, as they were drawn. Longer tails are cut off."},
    {BATCH_KIND, 0, "Instability by batch size, training set", "points of error", 0,
     "train_instability", NULL,
     "Barrier between copies that see the data in other orders. Tickets are expected to win with "
     "the batch sizes where it is near 0."},
    {BATCH_KIND, 0, "Instability by batch size, test set", "points of error", 0, "test_instability",
     NULL, ""},
    {ANGLE_KIND, 0, "Angle to the next network", "2 angle / pi", 0, "next", NULL,
     "From a level to the next one: 0 is the same direction, 1 a right angle, as between random "
     "vectors. If tickets win, each ends near the ticket one level denser; reinit, with one set of "
     "other initial values for all levels, ends farther from its own."},
    {ANGLE_KIND, 0, "Angle to the start", "2 angle / pi", 0, "last", NULL,
     "From each level to the last network of its table: the values that its training began with, "
     "unless the legend names another network. If tickets win, training turns them only a little "
     "from where they start."},
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

enum { STYLES = 7, MARKS = 8, CURVED = 6, DASHES = 4, RIGHT = 3800, TOP = 260, BOTTOM = 2300 };
static const char *const marker[MARKS] = {"m-28 0a28 28 0 1 0 56 0a28 28 0 1 0-56 0z",
                                          "m-25-25h50v50h-50z",
                                          "m0-36l34 58h-68z",
                                          "m0-36l36 36-36 36-36-36z",
                                          "m0 36l34-58h-68z",
                                          "m-26-10h16v-16h20v16h16v20h-16v16h-20v-16h-16z",
                                          "m-34-14h68v28h-68z",
                                          "m-14-34h28v68h-28z"};

/* The colour of the branch that the name of a line begins with, on every page; `other` if it is of
 * none. */
static int style_of(const char *name, int other)
{
  static const char *const known[] = {"ticket", "reinit", "reinit-fresh", "shuffle", "random"};
  const size_t n = strcspn(name, ",");
  int k = 0;
  while (k < 5 && (strlen(known[k]) != n || strncmp(name, known[k], n) != 0)) k++;
  return k < 5 ? k : other;
}

/* Makes room for a line of at most that many points; chart->n has still to count it. */
static Series *series_new(Chart *c, const char *name, int style, size_t most)
{
  Series *s = &c->series[c->n];
  int k;
  if (c->n == SERIES - 1)
    fail("the figure '%s' would have %d lines or more; give ticket report fewer files",
         c->figure->title, SERIES);
  *s = (Series){.style = style % STYLES, .opacity = ONE};
  sprintf(s->name, "%.*s", NAME - 1, name);
  for (k = 0; k < c->n; k++) s->nth += c->series[k].style == s->style;
  /* over epochs a chart has one branch, and a level the same mark in those of all branches */
  s->mark = s->nth + s->nth / MARKS + (c->figure->kind == EPOCHS_KIND ? 0 : s->style);
  s->point = allocate(most, sizeof *s->point, "a curve");
  return s;
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
  if (!end) end = path + strlen(path);
  for (at = path; at < end; at++) {
    if (*at == '/') from = at + 1;
    if (!strncmp(at, ".L", 2) && strspn(at + 2, "0123456789") == 2) level = at;
  }
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

/* So many weights in a bin of that width, as how many there are per 0.01. */
static int64_t per_hundredth(int64_t weights, int64_t bin)
{
  return weights < LIMIT / 100 ? weights * (ONE / 100) / bin : NONE;
}

/* One more series: the points of a group's tables, of that branch and level where they are not
 * NULL. */
static void gather(Chart *c, const Page *p, int group, const char *name, int style,
                   const char *branch, const char *level)
{
  const Figure *f = c->figure;
  Series *s;
  size_t most = 0;
  int k, row;
  for (k = 0; k < p->sheets; k++)
    most += p->sheet[k].group == group ? (size_t)p->sheet[k].table.rows : 0;
  s = series_new(c, name, style, most);
  for (k = 0; k < p->sheets; k++) {
    const Sheet *t = &p->sheet[k];
    const int x = table_column(&t->table, kinds[f->kind].x),
              plus = f->plus ? table_column(&t->table, f->plus) : -1,
              minus = f->minus ? table_column(&t->table, f->minus) : -1;
    const int of_branch = table_column(&t->table, "branch"),
              of_level = table_column(&t->table, "level"),
              of_copy = table_column(&t->table, "copy");
    int64_t bin = 0; /* the width of a probe's bins */
    if (t->group != group) continue;
    for (row = 1; row <= t->table.rows; row++) {
      Point *q = &s->point[s->points];
      int64_t less;
      if ((branch && strcmp(table_cell(&t->table, row, of_branch), branch) != 0) ||
          (level && strcmp(table_cell(&t->table, row, of_level), level) != 0))
        continue;
      if ((level && strcmp(table_cell(&t->table, row, of_copy), "0") != 0) ||
          (f->kind == PROBE_KIND && strcmp(table_cell(&t->table, row, 0), "histogram") != 0))
        continue;
      q->x = number_at(t, row, x);
      q->y = f->plus ? number_at(t, row, plus) : 0;
      less = f->minus ? number_at(t, row, minus) : 0;
      if (q->x == NONE || q->y == NONE || less == NONE) continue;
      /* Densities of one level may differ between runs, and be equal at two levels of one run. */
      q->key = f->kind == RUN_KIND ? number_at(t, row, of_level) : q->x;
      if (q->key == NONE) continue;
      if (f->kind == RUN_KIND) q->key = -q->key; /* from sparse to dense, as densities rise */
      q->low = q->high = q->y = f->base + q->y - less;
      if (f->kind == PROBE_KIND && bin == 0 && row < t->table.rows)
        bin = number_at(t, row + 1, x) - q->x;
      if (bin > 0) q->low = q->high = q->y = per_hundredth(q->y, bin);
      q->runs = 1;
      q->table = k;
      q->collapsed = lost(t, row) != NULL;
      s->points++;
    }
  }
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
  s->points = n;
  for (j = 0; j < n; j++) {
    s->point[j].x /= s->point[j].runs;
    s->point[j].y /= s->point[j].runs;
  }
}

static const char published[] = "published: "; /* begins the names of such lines */
enum { AFTER = sizeof published - 1 };

/* The chart's series of published values of that line, new if there is none, in the style of the
 * chart's own line of that name if there is one. */
static Series *published_series(Chart *c, const Table *t, const char *line)
{
  char name[NAME];
  Series *s;
  int k;
  sprintf(name, "%s%.200s", published, line);
  for (k = 0; k < c->n; k++)
    if (c->series[k].published && !strcmp(c->series[k].name, name)) return &c->series[k];
  s = series_new(c, name, style_of(line, c->n), (size_t)t->rows);
  s->published = 1;
  for (k = 0; k < c->n; k++)
    if (!strcmp(c->series[k].name, line)) {
      s->style = c->series[k].style;
      s->nth = c->series[k].nth;
      s->mark = c->series[k].mark;
    }
  c->n++;
  return s;
}

/* Adds the values that tables of published ones have for a figure. */
static void add_published(const Page *p, Chart *c)
{
  int k, row;
  for (k = 0; k < p->sheets; k++) {
    const Sheet *t = &p->sheet[k];
    if (t->kind != PUBLISHED_KIND) continue;
    for (row = 1; row <= t->table.rows; row++) {
      Point q = {.x = number_at(t, row, 2), .y = number_at(t, row, 3), .runs = 1, .table = k};
      Series *s;
      if (strcmp(table_cell(&t->table, row, 0), c->figure->title) != 0) continue;
      if (q.x == NONE || q.y == NONE) continue;
      s = published_series(c, &t->table, table_cell(&t->table, row, 1));
      q.key = q.x;
      q.low = number_at(t, row, 4);
      q.high = number_at(t, row, 5);
      if (q.low == NONE) q.low = q.y;
      if (q.high == NONE) q.high = q.y;
      s->point[s->points++] = q;
    }
  }
}

/* The published value of a line at x, or next to it by less than a fiftieth; NONE if there is
 * none. */
static int64_t published_at(const Chart *c, const char *name, int64_t x)
{
  int64_t found = NONE, nearest = (x < 0 ? -x : x) / 50;
  size_t j;
  int k;
  for (k = 0; k < c->n; k++) {
    const Series *s = &c->series[k];
    if (!s->published || strcmp(s->name + AFTER, name) != 0) continue;
    for (j = 0; j < s->points; j++) {
      const int64_t apart = s->point[j].x < x ? x - s->point[j].x : s->point[j].x - x;
      if (apart > nearest) continue;
      nearest = apart;
      found = s->point[j].y;
    }
  }
  return found;
}

/* A row per point of a chart, published ones after ours. */
static void write_values(Page *p, const Chart *c, const char *of)
{
  char text[64];
  int k, m;
  size_t j;
  for (k = 0; k < c->n; k++) {
    const Series *s = &c->series[k];
    const int columns = s->published ? 4 : 5;
    for (j = 0; j < s->points; j++) {
      const Point *q = &s->point[j];
      const int64_t value[5] = {q->x, q->y, q->low, q->high, published_at(c, s->name, q->x)};
      output_print(&p->values, "%s%s%s\t%s", c->figure->title, *of ? ": " : "", of, s->name);
      for (m = 0; m < columns; m++)
        output_print(&p->values, "\t%s", value[m] == NONE ? "-" : in_units(text, value[m], 0));
      output_print(&p->values, s->published ? "\t-\t-\n" : "\t%d\n", q->runs);
    }
  }
}

/* Which of the page's axes a figure has: those of the first of its kind with its unit. */
static Axis *shared_axes(Page *p, const Figure *f)
{
  int k = 0;
  while (figures[k].kind != f->kind || strcmp(figures[k].y_name, f->y_name) != 0) k++;
  return p->shared[k];
}

/* Where a chart's numbers are on the page. */
typedef struct {
  Axis x, y;
  int left, density;  /* density: logarithmic, from dense to sparse */
  int hidden, ringed; /* some points are not shown; some have a ring */
} Frame;

static int x_of(const Frame *f, int64_t x)
{
  const int at = place(&f->x, x, RIGHT - f->left);
  return f->density ? RIGHT - at : f->left + at;
}
static int y_of(const Frame *f, int64_t y) { return BOTTOM - place(&f->y, y, BOTTOM - TOP); }

/* Below this a histogram's tails are not worth a longer axis: a fiftieth of the highest peak. */
static int64_t tail_of(const Chart *c)
{
  int64_t most = 0;
  size_t j;
  int k;
  if (c->figure->kind != PROBE_KIND) return INT64_MIN;
  for (k = 0; k < c->n; k++)
    for (j = 0; j < c->series[k].points; j++)
      if (c->series[k].point[j].y > most) most = c->series[k].point[j].y;
  return most / 50;
}

/* Merges the points of runs, leaves out those that the axes have no place for, and makes the axes
 * reach the rest. */
static void frame_widen(Frame *f, Chart *c)
{
  const int64_t tail = tail_of(c);
  size_t j;
  int k;
  for (k = 0; k < c->n; k++) {
    Series *s = &c->series[k];
    size_t shown = 0;
    merge(s);
    for (j = 0; j < s->points; j++) {
      const Point *q = &s->point[j];
      /* a bar may reach 0 where its mean does not */
      f->hidden |= !axis_shows(&f->x, q->x) || !axis_shows(&f->y, q->low);
      if (!axis_shows(&f->x, q->x) || !axis_shows(&f->y, q->y)) continue;
      if (q->y >= tail) axis_widen(&f->x, q->x);
      axis_widen(&f->y, q->low);
      axis_widen(&f->y, q->y);
      axis_widen(&f->y, q->high);
      f->ringed |= q->collapsed;
      s->point[shown++] = *q;
    }
    s->points = shown;
  }
}

/* Rounds the axes and makes room for the numbers of the left one. */
static void frame_fit(Frame *f)
{
  char text[64];
  int k, longest = 0;
  axis_fit(&f->x);
  axis_fit(&f->y);
  for (k = 0; k < f->y.ticks; k++)
    if ((int)strlen(tick(text, &f->y, k)) > longest) longest = (int)strlen(text);
  f->left = 140 + 68 * longest;
}

enum { LETTERS = 55, LINE_HEIGHT = 170 }; /* of a name in the legend */

/* How many bytes of the name stand in the legend's line that begins with it. */
static size_t line_of(const char *name)
{
  size_t n = LETTERS;
  if (strlen(name) <= LETTERS) return strlen(name);
  while (n > 0 && name[n] != ' ') n--;
  if (n == 0) n = LETTERS;
  while (n > 1 && ((unsigned char)name[n] & 0xc0) == 0x80) n--;
  return n;
}

static const char *mark_of(const Series *s) { return marker[s->mark % MARKS]; }

/* A line and mark of the legend. */
static void sample_draw(Page *p, const Series *s, int x, int y)
{
  print(p, "<g opacity=\"%n\">", s->opacity);
  if (!s->published)
    print(p, "<path class=\"l s%d d%d\" d=\"M%d %dh400\"/>", s->style, s->nth % DASHES, x, y);
  print(p, "<path class=\"%r s%d\" d=\"M%d %d%r\"/></g>", s->published ? "o" : "m", s->style,
        x + 200, y, mark_of(s));
}

/* The chart's names with their lines and marks, or (draws = 0) nothing; returns the height. */
static int legend(Page *p, const Chart *c, int draws)
{
  int at = 0, y = 0, k;
  for (k = 0; k < c->n; k++) {
    const char *name = c->series[k].name;
    const int wide = 560 + 62 * (int)strlen(name);
    if (at > 0 && at + wide > 4000) {
      at = 0;
      y += LINE_HEIGHT;
    }
    if (draws) sample_draw(p, &c->series[k], at, y + 60);
    while (*name) {
      const size_t n = line_of(name);
      if (draws) label(p, "", at + 450, y + 100, name, n);
      name += n;
      if (*name) y += LINE_HEIGHT;
    }
    at += wide;
  }
  return y + LINE_HEIGHT;
}

static void axes_draw(Page *p, const Frame *f, const char *x_name, const char *y_name)
{
  char text[64];
  int k;
  label(p, "", 0, 150, y_name, 99);
  label(p, "c", (f->left + RIGHT) / 2, 2640, x_name, 99);
  for (k = 0; k < f->y.ticks; k++) {
    const int y = y_of(f, f->y.tick[k]);
    print(p, "<path class=\"g\" d=\"M%d %dH%d\"/>", f->left, y, RIGHT);
    label(p, "e", f->left - 90, y + 40, tick(text, &f->y, k), 99);
  }
  for (k = 0; k < f->x.ticks; k++) {
    const int x = x_of(f, f->x.tick[k]);
    print(p, "<path class=\"g\" d=\"M%d %dV%d\"/>", x, BOTTOM, BOTTOM + 40);
    label(p, "c", x, BOTTOM + 160, tick(text, &f->x, k), 99);
  }
}

/* A point of a series: its bar, its ring, its marker with what it says under the pointer. */
static void point_draw(Page *p, const Frame *f, const Chart *c, const Series *s, const Point *q)
{
  const int x = x_of(f, q->x), y = y_of(f, q->y), style = s->style;
  if (q->high > q->low && axis_shows(&f->y, q->low))
    print(p, "<path class=\"b s%d\" d=\"M%d %dV%dm-25 0h50M%d %dm-25 0h50\"/>", style, x,
          y_of(f, q->low), y_of(f, q->high), x, y_of(f, q->low));
  if (q->collapsed)
    print(p, "<path class=\"b s%d\" d=\"M%d %dm-64 0a64 64 0 1 0 128 0a64 64 0 1 0-128 0z\"/>",
          style, x, y);
  /* where points are close, they are seen only under the pointer */
  print(p, "<path class=\"%r s%d\" d=\"M%d %d%r\">",
        s->published      ? "o"
        : s->points <= 40 ? "m"
                          : "h",
        style, x, y, mark_of(s));
  print(p, "<title>%s\n%r: %n\n%r: %n", s->name, kinds[c->figure->kind].x_name, q->x,
        c->figure->y_name, q->y);
  if (q->runs > 1) print(p, "\nmean of %d runs, from %n to %n", q->runs, q->low, q->high);
  if (q->collapsed) print(p, "\na layer has no weight left");
  print(p, "</title></path>\n");
}

/* A curve with its points, those that the axis reaches. */
static void series_draw(Page *p, const Frame *f, const Chart *c, const Series *s)
{
  size_t from = 0, to = s->points, j;
  while (from < to && s->point[from].x < f->x.low) from++;
  while (from < to && s->point[to - 1].x > f->x.high) to--;
  print(p, "<g opacity=\"%n\">", s->opacity);
  if (!s->published) {
    print(p, "<polyline class=\"l s%d d%d\" points=\"", s->style, s->nth % DASHES);
    for (j = from; j < to; j++)
      print(p, "%r%d,%d", j > from ? " " : "", x_of(f, s->point[j].x), y_of(f, s->point[j].y));
    print(p, "\"/>\n");
  }
  if (s->points <= 1000)
    for (j = from; j < to; j++) point_draw(p, f, c, s, &s->point[j]);
  print(p, "</g>\n");
}

/* Draws what the chart has, if anything, and empties it; while the page is measuring it only makes
 * the shared axes reach as far. */
static void chart_draw(Page *p, Chart *c, const char *of)
{
  const Figure *f = c->figure;
  Axis *shared = shared_axes(p, f);
  Frame frame = {.x = shared[0], .y = shared[1], .density = f->kind == RUN_KIND};
  int top, k;
  if (c->n == 0) return;
  add_published(p, c);
  frame_widen(&frame, c);
  if (p->measuring) {
    shared[0] = frame.x;
    shared[1] = frame.y;
  } else {
    if (p->writes_values) write_values(p, c, of);
    frame_fit(&frame);
    top = legend(p, c, 0);
    figure_open(p, f->title, of, 2740 + top);
    legend(p, c, 1);
    print(p, "\n<g transform=\"translate(0 %d)\">\n", top);
    axes_draw(p, &frame, kinds[f->kind].x_name, f->y_name);
    for (k = 0; k < c->n; k++) series_draw(p, &frame, c, &c->series[k]);
    print(p, "</g>\n");
    figure_close(p, f->caption, frame.hidden ? left_out : "", frame.ringed ? ringed : "");
  }
  while (c->n > 0) free(c->series[--c->n].point);
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

/* How a heat-map is laid out. */
typedef struct {
  Axis axis;
  Word side[NETWORKS], below[NETWORKS];
  int left, width, height, bottom; /* width, height: of a cell */
  int turned, room;                /* for the names of the columns */
  int unmeasured, zero;            /* some cells have no value; some no place on the axis */
} Plate;

static void plate_fit(Plate *f, const Heat *h)
{
  int r, c, longest;
  f->axis = axis_new(h->log);
  axis_widen(&f->axis, h->least);
  axis_widen(&f->axis, h->most);
  for (r = 0; r < h->rows; r++)
    for (c = 0; c < h->columns; c++) {
      const int64_t x = h->value[r][c];
      axis_widen(&f->axis, x);
      f->unmeasured |= x == NONE;
      f->zero |= x != NONE && !axis_shows(&f->axis, x);
    }
  axis_fit(&f->axis);
  f->left = 100 + 68 * shorten(f->side, h->row, h->rows);
  longest = shorten(f->below, h->head, h->columns);
  f->width = (END - f->left) / h->columns;
  f->height = f->width < 2800 / h->rows ? f->width : 2800 / h->rows;
  if (f->height < 1200 / h->rows) f->height = 1200 / h->rows;
  f->bottom = 200 + h->rows * f->height;
  f->turned = is_tight(f->below, h->columns, f->width);
  f->room = f->turned ? 100 + 68 * longest : 200;
}

static void cells_draw(Page *p, const Plate *f, const Heat *h)
{
  char text[64];
  int r, c;
  for (r = 0; r < h->rows; r++) {
    if (is_named(r, h->rows, 130 / f->height + 1))
      label(p, "e", f->left - 50, 240 + r * f->height + f->height / 2, f->side[r].text,
            f->side[r].size);
    for (c = 0; c < h->columns; c++) {
      const int64_t x = h->value[r][c];
      print(p, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"", f->left + c * f->width,
            200 + r * f->height, f->width, f->height);
      if (axis_shows(&f->axis, x)) put_colour(p, place(&f->axis, x, 1000));
      else print(p, " class=\"none\"");
      print(p, "><title>%s\n%s\n%r</title></rect>\n", h->row[r], h->head[c],
            x == NONE ? "not measured" : in_units(text, x, 0));
    }
  }
}

static void columns_draw(Page *p, const Plate *f, const Heat *h)
{
  const int turned = f->turned;
  int c;
  for (c = 0; c < h->columns; c++) {
    const int x = f->left + c * f->width + f->width / 2, y = f->bottom + (turned ? 60 : 140);
    if (!is_named(c, h->columns, turned ? 130 / f->width + 1 : 1)) continue;
    if (turned) print(p, "<g transform=\"translate(%d %d) rotate(-90)\">", x + 40, y);
    label(p, turned ? "e" : "c", turned ? 0 : x, turned ? 0 : y, f->below[c].text,
          f->below[c].size);
    if (turned) print(p, "</g>\n");
  }
  label(p, "c", (f->left + END) / 2, f->bottom + f->room + 100, h->under, 99);
}

static void colour_bar_draw(Page *p, const Axis *axis, int bottom)
{
  const int high = bottom - 200;
  char text[64];
  int c;
  for (c = 0; c < 40; c++) {
    const int from = bottom - high * c / 40, to = bottom - high * (c + 1) / 40;
    print(p, "<rect x=\"3480\" y=\"%d\" width=\"100\" height=\"%d\"", to, from - to);
    put_colour(p, 1000 * c / 39);
    print(p, "/>\n");
  }
  for (c = 0; c < axis->ticks; c++)
    label(p, "", 3620, bottom + 40 - place(axis, axis->tick[c], high), tick(text, axis, c), 99);
}

/* Draws it, unless it has no cell. */
static void heat_draw(Page *p, const Heat *h, const char *of)
{
  Plate f = {.unmeasured = 0};
  if (h->rows == 0 || h->columns == 0) return;
  plate_fit(&f, h);
  figure_open(p, h->title, of, f.bottom + f.room + 150);
  label(p, "e", 3990, 120, h->unit, 99);
  cells_draw(p, &f, h);
  columns_draw(p, &f, h);
  colour_bar_draw(p, &f.axis, f.bottom);
  figure_close(p, h->caption, f.unmeasured ? " Grey cells: not measured (or not finite)." : "",
               f.zero
                   ? " Grey, with the title 0: no weight remains, and a logarithmic scale has no "
                     "place for 0."
                   : "");
}

/* ==== what is drawn of which table ========================================================== */

/* Distinct texts of a column in a group, in order; `most` at most. */
static int distinct(const Page *p, int group, const char *name, const char **found, int most)
{
  int k, row, n = 0, f;
  for (k = 0; k < p->sheets; k++) {
    const Sheet *t = &p->sheet[k];
    const int c = table_column(&t->table, name);
    if (t->group != group) continue;
    for (row = 1; row <= t->table.rows; row++) {
      if (n == most) return n;
      found[n] = table_cell(&t->table, row, c);
      for (f = 0; strcmp(found[f], found[n]) != 0;) f++;
      n += f == n;
    }
  }
  return n;
}

/* Whether a table's setting j is another one in a table of its kind. */
static int differs(const Page *p, const Sheet *t, int j)
{
  const char *key = t->table.key[j], *value = t->table.value[j];
  int k = 0;
  while (k < p->sheets &&
         (p->sheet[k].kind != t->kind || !strcmp(table_value(&p->sheet[k].table, key), value)))
    k++;
  return k < p->sheets && is_setting(key);
}

/* Adds a table's setting j to a name. */
static void put_setting(char name[NAME], const Table *t, int j)
{
  sprintf(name + strlen(name), "%s%.40s = %.60s", *name ? ", " : "", t->key[j], t->value[j]);
}

/* What sets a group of runs apart from the page's others of its kind, after `text`: its settings
 * or, where they are many, its name. */
static void name_group(const Page *p, int group, char name[NAME], const char *text)
{
  enum { LONGEST = 60 };
  const Sheet *t = &p->sheet[group];
  const size_t begin = strlen(text) < 60 ? strlen(text) : 60;
  int j;
  sprintf(name, "%.60s", text);
  for (j = 0; j < t->table.pairs; j++)
    if (strlen(name) < begin + LONGEST && differs(p, t, j)) put_setting(name, &t->table, j);
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

/* Whether two paths or probes are of the same networks. */
static int are_alike(const Sheet *a, const Sheet *b)
{
  int k, alike = a->kind == b->kind &&
                 !strcmp(table_value(&a->table, "command"), table_value(&b->table, "command"));
  for (k = 0; k < 2; k++) {
    const char *of_a = network_at(&a->table, k), *of_b = network_at(&b->table, k);
    alike = alike && (of_a && of_b ? !strcmp(of_a, of_b) : of_a == of_b);
  }
  return alike;
}

/* The prefix of all networks of the page's paths and probes, "" if they have several. */
static void only_prefix(const Page *p, char prefix[80])
{
  int k, n, found = 0;
  *prefix = 0;
  for (k = 0; k < p->sheets; k++) {
    const Table *t = &p->sheet[k].table;
    if (p->sheet[k].kind != LINE_KIND && p->sheet[k].kind != PROBE_KIND) continue;
    for (n = 0; network_at(t, n); n++) {
      const Network network = network_of(network_at(t, n));
      if (found++ == 0) strcpy(prefix, network.prefix);
      else if (strcmp(prefix, network.prefix) != 0) *prefix = 0;
    }
  }
}

/* What a path or probe is of: `straight line, ticket 4 to reinit 4`, and as much more as tells it
 * from the page's others. Returns the style: that of their branch. */
static int name_networks(const Page *p, const Sheet *s, char name[NAME])
{
  const int curve = !strcmp(table_value(&s->table, "command"), "curve");
  char text[NAME];
  Network from = {"", "", "", ""};
  char of[80];
  int k, alike = 0, style = 5;
  only_prefix(p, of);
  sprintf(name, "%s", s->kind == PROBE_KIND ? "" : curve ? "curve, " : "straight line, ");
  for (k = 0; k < 2; k++) {
    const char *value = network_at(&s->table, k);
    const Network n = network_of(value ? value : "");
    if (!value) continue;
    sprintf(name + strlen(name), "%s%.130s", k > 0 ? " to " : "", in_words(text, &n, of));
    style = k > 0 && strcmp(n.branch, from.branch) != 0 ? 5 : style_of(n.branch, 5);
    from = n;
  }
  for (k = 0; k < p->sheets; k++) alike += are_alike(&p->sheet[k], s);
  if (alike > 1) sprintf(name + strlen(name), " (%.100s)", s->label);
  return curve ? CURVED : style;
}

/* Whether tables of instability differ in their batch size: a table of one step is then a point
 * over that. */
static int several_batches(const Page *p)
{
  const char *batch = NULL;
  int k;
  for (k = 0; k < p->sheets; k++) {
    const char *other = table_value(&p->sheet[k].table, "batch");
    if (p->sheet[k].kind != STABILITY_KIND) continue;
    if (batch && strcmp(batch, other) != 0) return 1;
    batch = other;
  }
  return 0;
}

enum { SHOWN = 9, MOST_LEVELS = 100 }; /* levels in a figure; in a table */
/* Of n levels every such one is shown, and the last. */
static int every(int n) { return n > SHOWN ? (n + SHOWN - 3) / (SHOWN - 1) : 1; }
static int is_shown(int l, int n) { return l % every(n) == 0 || l == n - 1; }

/* To the nearest multiple of `to`; x and to above 0. */
static int64_t rounded(int64_t x, int64_t to) { return (x + to / 2) / to * to; }

/* The training curves of a group's branch, from the faintest line, level 0, to the last. */
static void levels_gather(Chart *c, const Page *p, int g, const char *branch)
{
  const Table *t = &p->sheet[g].table;
  const char *level[MOST_LEVELS];
  const int levels = distinct(p, g, "level", level, MOST_LEVELS), before = c->n;
  char of[NAME], text[64];
  int l, k;
  for (l = 0; l < levels; l++) {
    int64_t density = NONE;
    int row = 1;
    if (!is_shown(l, levels)) continue;
    while (row <= t->rows && strcmp(table_cell(t, row, 0), level[l]) != 0) row++;
    if (row <= t->rows) density = number_at(&p->sheet[g], row, table_column(t, "density"));
    if (density >= 10 * ONE) density = rounded(density, ONE / 10);
    if (density != NONE) density = rounded(density, ONE / 100);
    sprintf(of, "level %.20s (%s%%)", level[l], density == NONE ? "?" : in_units(text, density, 0));
    gather(c, p, g, of, style_of(branch, 5), branch, level[l]);
  }
  for (k = before; k + 1 < c->n; k++)
    c->series[k].opacity = ONE * (300 + 600 * (k - before) / (c->n - before)) / 1000;
}

/* A series per group of runs and branch, or per table; of training curves a chart per group and
 * branch. */
static void groups_gather(Page *p, Chart *c)
{
  const int kind = c->figure->kind;
  const char *branch[SERIES];
  char name[NAME];
  int g, b;
  for (g = 0; g < p->sheets; g++) {
    const Sheet *s = &p->sheet[g];
    const int branches = kind <= EPOCHS_KIND ? distinct(p, g, "branch", branch, SERIES) : 1;
    if (s->kind != kind || s->group != g) continue;
    if (kind == STABILITY_KIND && s->table.rows == 1 && several_batches(p)) continue;
    for (b = 0; b < branches; b++) {
      int style = kind <= EPOCHS_KIND ? style_of(branch[b], 5) : c->n;
      if (kind > STABILITY_KIND) style = name_networks(p, s, name);
      else name_group(p, g, name, kind == STABILITY_KIND ? "" : branch[b]);
      if (kind == EPOCHS_KIND) {
        levels_gather(c, p, g, branch[b]);
        chart_draw(p, c, name);
      } else
        gather(c, p, g, *name ? name : s->label, style, kind == RUN_KIND ? branch[b] : NULL, NULL);
    }
  }
}

/* Adds a point to a line of the chart, which is made with room for `most` if it is new. */
static void add_point(Chart *c, const char *name, int style, int most, Point q)
{
  int at = 0;
  while (at < c->n && strcmp(c->series[at].name, name) != 0) at++;
  if (at == c->n) {
    series_new(c, name, style, (size_t)most);
    c->n++;
  }
  q.low = q.high = q.y;
  q.runs = 1;
  c->series[at].point[c->series[at].points++] = q;
}

/* What sets a table of instability apart from the others but for its batch size: of a ticket its
 * density, where it has that. */
static void name_density(const Page *p, const Sheet *t, char name[NAME])
{
  const int has_density = strcmp(table_value(&t->table, "density"), "-") != 0;
  int j;
  *name = 0;
  for (j = 0; j < t->table.pairs; j++) {
    const char *key = t->table.key[j];
    if (strlen(name) >= 200 || !differs(p, t, j) || !strcmp(key, "batch")) continue;
    if (!has_density || strcmp(key, "ticket-digest") != 0) put_setting(name, &t->table, j);
  }
}

/* The instability over the batch size, if there are several: of the first step of each table, a
 * line per density and other settings, averaged over seeds. */
static void batches_gather(const Page *p, Chart *c)
{
  char name[NAME];
  int k;
  if (!several_batches(p)) return;
  for (k = 0; k < p->sheets; k++) {
    const Sheet *s = &p->sheet[k];
    const long size = strtol(table_value(&s->table, "batch"), NULL, 10);
    Point q = {.table = k, .key = size, .x = size * ONE};
    if (s->kind != STABILITY_KIND || s->table.rows < 1 || size < 1 || size > 65536) continue;
    q.y = number_at(s, 1, table_column(&s->table, c->figure->plus));
    if (q.y == NONE) continue;
    name_density(p, s, name);
    add_point(c, name, c->n, p->sheets, q);
  }
}

/* Whether the last network of a matrix is a level of the same run and branch as the first. */
static int ends_in_series(const Table *t)
{
  const Network first = network_of(table_cell(t, 0, 1));
  const Network last = network_of(table_cell(t, 0, t->columns - 1));
  return *last.level && !strcmp(last.prefix, first.prefix) && !strcmp(last.branch, first.branch);
}

/* What a matrix of angles is called in a chart: its branch and (to_last) what its last network is,
 * and its file where another one would be called so; its file alone beside published values. */
static void name_angles(const Page *p, const Sheet *s, int to_last, char name[NAME])
{
  const Network first = network_of(table_cell(&s->table, 0, 1));
  const Network last = network_of(table_cell(&s->table, 0, s->table.columns - 1));
  char text[NAME];
  int k, alike = 0;
  sprintf(name, "%.150s", s->label);
  for (k = 0; k < p->sheets; k++)
    if (p->sheet[k].kind == PUBLISHED_KIND) return; /* which name lines by their files */
  if (*first.branch) strcpy(name, first.branch);
  if (to_last)
    sprintf(name + strlen(name), " to %.150s",
            *last.branch && !*last.level ? "the rewind point"
                                         : in_words(text, &last, first.prefix));
  for (k = 0; k < p->sheets; k++) {
    const Table *t = &p->sheet[k].table;
    alike += p->sheet[k].kind == MATRIX_KIND && !strcmp(table_value(t, "what"), "angle") &&
             t->columns > 1 && !strcmp(network_of(table_cell(t, 0, 1)).branch, first.branch);
  }
  if (alike > 1 && *first.branch) sprintf(name + strlen(name), " (%.80s)", s->label);
}

/* Of matrices of angles: how far each network is from the next one or, to_last, from the last,
 * which is no next one: the initialisation, as a rule. */
static void angles_gather(const Page *p, Chart *c, int to_last)
{
  int k, row, rows, most = 0;
  for (k = 0; k < p->sheets; k++) most += p->sheet[k].table.rows;
  for (k = 0; k < p->sheets; k++) {
    const Sheet *s = &p->sheet[k];
    const int n = s->table.rows;
    if (s->kind != MATRIX_KIND || strcmp(table_value(&s->table, "what"), "angle") != 0) continue;
    if (s->table.columns != n + 1) continue;
    if (to_last && ends_in_series(&s->table)) continue;
    rows = to_last || ends_in_series(&s->table) ? n - 1 : n - 2; /* the last is no level */
    for (row = 1; row <= rows; row++) {
      const Network first = network_of(table_cell(&s->table, 0, 1));
      Point q = {.table = k, .key = (row - 1) * ONE, .x = (row - 1) * ONE};
      char name[NAME];
      q.y = number_at(s, row, to_last ? n : row + 1);
      name_angles(p, s, to_last, name);
      if (q.y != NONE) add_point(c, name, style_of(first.branch, 5), most, q);
    }
  }
}

/* All charts of a kind, after a look at the axes that they share. */
static void charts(Page *p, int kind)
{
  static Chart c;
  size_t f;
  int pass;
  if (kinds[kind].section) p->heading = kinds[kind].section;
  for (pass = 0; pass < 2; pass++) {
    p->measuring = pass == 0;
    for (f = 0; f < sizeof figures / sizeof figures[0]; f++) {
      if (figures[f].kind != kind) continue;
      c.figure = &figures[f];
      if (kind == BATCH_KIND) batches_gather(p, &c);
      else if (kind == ANGLE_KIND) angles_gather(p, &c, !strcmp(c.figure->plus, "last"));
      else groups_gather(p, &c);
      chart_draw(p, &c, "");
    }
  }
}

/* Reads the network of a row of a run; 0 if it is not beside the table. */
static int open_network(const Sheet *s, int row, Safetensors *file)
{
  const Table *t = &s->table;
  const char *const branch = table_cell(t, row, table_column(t, "branch")), *digest;
  const long level = strtol(table_cell(t, row, table_column(t, "level")), NULL, 10);
  const int control = strcmp(branch, "ticket") != 0;
  char *path;
  int there;
  if (level < 0 || level > 99 || strlen(branch) > 20) return 0;
  path = allocate(strlen(s->name) + 60, 1, "a file name");
  sprintf(path, "%s.L%02ld%s%s.safetensors", s->name, level, control ? "." : "",
          control ? branch : "");
  there = file_exists(path);
  if (there) {
    safetensors_read(file, path);
    digest = safetensors_value(file, "digest");
    if (!digest || strcmp(digest, table_cell(t, row, table_column(t, "digest"))) != 0)
      fail("%s: is not the network of level %ld in %s, whose digest differs; keep tables apart "
           "from other runs' networks",
           path, level, t->path);
  }
  free(path);
  return there;
}

/* Whether it is the mask of a tensor. */
static int is_mask(const Entry *e) { return !strncmp(e->name, "mask.", 5); }

/* Adds the densities of a network's layers to the heat-map's next column. */
static void layers_gather(Heat *h, const Safetensors *s, const char *path)
{
  int k, r, c;
  for (k = 0; k < s->entries; k++) {
    const Entry *e = &s->entry[k];
    const unsigned char *mask = e->data;
    size_t j, kept = 0;
    if (!is_mask(e)) continue;
    r = 0;
    while (r < h->rows && strcmp(h->row[r], e->name + 5) != 0) r++;
    if (r == NETWORKS || e->type != 'U' || e->size == 0)
      fail("%s, level %d: has more layers or other masks than any model of ticket", path,
           h->columns);
    if (r == h->rows) {
      for (c = 0; c < MOST_LEVELS; c++) h->value[r][c] = NONE;
      h->row[h->rows++] = join(e->name + 5, "", "");
    }
    for (j = 0; j < e->size; j++) kept += mask[j] != 0;
    h->value[r][h->columns] = (int64_t)((uint64_t)kept * 100 * (uint64_t)ONE / e->size);
  }
}

/* Share of each layer that survives, from the masks of the tickets that stand beside a group's
 * first run. */
static void layers_draw(Page *p, const Sheet *s)
{
  const Table *t = &s->table;
  Heat *h = allocate(1, sizeof *h, "layers");
  char of[NAME];
  int row;
  h->title = "Density by layer";
  h->unit = "weights that remain (%)";
  h->caption = "Brighter layers keep a larger share of their weights; from the first layer to the "
               "output, as the network's tensors are named.";
  h->under = "level";
  h->log = 1;
  h->least = ONE / 10; /* one scale for all pages, unless a layer has less */
  h->most = 100 * ONE;
  for (row = 1; row <= t->rows; row++) {
    Safetensors file;
    if (strcmp(table_cell(t, row, table_column(t, "branch")), "ticket") != 0) continue;
    if (h->columns == MOST_LEVELS || !open_network(s, row, &file)) continue;
    layers_gather(h, &file, t->path);
    safetensors_free(&file);
    h->head[h->columns++] = table_cell(t, row, table_column(t, "level"));
  }
  name_group(p, s->group, of, "");
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
    side = 1;
    while (side * side * planes < inputs) side++;
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
  const int of_level = table_column(t, "level"), of_branch = table_column(t, "branch");
  int row = t->rows;
  while (row > 0 && (strcmp(table_cell(t, row, of_level), level) != 0 ||
                     strcmp(table_cell(t, row, of_branch), branch) != 0))
    row--;
  return row;
}

/* The picture of the first layer of the network in that row; drawn: of as many connections
 * elsewhere. Returns what mask_size does, 0 if there is no picture. */
static int mask_of(MaskPicture *m, const Sheet *sheet, int row, int drawn, int *dims)
{
  Safetensors s;
  int k = 0, most;
  if (row == 0 || !open_network(sheet, row, &s)) return 0;
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
    "Each pixel is an input of the network; its colour (its scale is logarithmic) is how many of "
    "its connections to the first layer survive, the number below how many inputs have none, which "
    "are black: what the image shows there no longer counts. Percents are of all weights of the "
    "network. Pruning by magnitude sees weights only, and yet it cuts off corners and keeps the "
    "middle, where images differ; as many connections at random are spread evenly.";
static const char of_kernels[] =
    "Each square is a kernel of the first layer; the colour of each of its places is how many of "
    "its connections, one per channel, survive. Kernels without any are empty.";

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

enum { MASK_ROWS = 3, NAMED = 150, TEXT_LINE = 130, ROW = NAMED + SHOT + TEXT_LINE + 60 };

/* The pictures of a run's masks: a column per level that is shown, a row per kind of mask. */
typedef struct {
  const char *branch[MASK_ROWS];
  MaskPicture shot[SHOWN + 2][MASK_ROWS];
  int row[SHOWN + 2]; /* of the tickets in the run's table */
  int levels, rows, most, dims;
} Masks;

static void masks_gather(Masks *m, const Page *p, const Sheet *s)
{
  static const char *const own[] = {"shuffle", "random"};
  const char *level[MOST_LEVELS];
  const int levels = distinct(p, s->group, "level", level, MOST_LEVELS);
  int k, r, most;
  m->branch[0] = "ticket";
  m->rows = 1;
  for (k = 0; k < 2; k++) {
    r = 0;
    while (r < levels && !row_of(&s->table, level[r], own[k])) r++;
    if (r < levels) m->branch[m->rows++] = own[k];
  }
  if (m->rows == 1) m->branch[m->rows++] = "as many at random";
  for (k = 0; k < levels; k++) {
    const int row = row_of(&s->table, level[k], "ticket");
    if (!is_shown(k, levels)) continue;
    most = mask_of(&m->shot[m->levels][0], s, row, 0, &m->dims);
    if (most == 0) continue;
    m->most = most;
    for (r = 1; r < m->rows; r++) {
      const int drawn = *m->branch[r] == 'a';
      mask_of(&m->shot[m->levels][r], s, drawn ? row : row_of(&s->table, level[k], m->branch[r]),
              drawn, &m->dims);
    }
    m->row[m->levels++] = row;
  }
}

/* Row r of the pictures of level k, at x and y, with what is written above and below. */
static void mask_draw(Page *p, const Masks *m, const Sheet *s, int k, int r, int x, int y)
{
  const MaskPicture *shot = &m->shot[k][r];
  const Table *t = &s->table;
  const int under = y + NAMED + SHOT + TEXT_LINE;
  char text[64];
  if (r == 0) sprintf(text, "level %.9s", table_cell(t, m->row[k], table_column(t, "level")));
  else sprintf(text, "%s", x == 0 ? m->branch[r] : "");
  if (*text) label(p, "", x, y + 110, text, 99);
  if (!shot->picture.pixel) return;
  picture_draw(p, &shot->picture, x, y + NAMED, SHOT);
  sprintf(text, "%d %s", shot->cut_off, m->dims == 4 ? "empty" : "cut off");
  label(p, "", x, under, text, 99);
  if (r > 0) return;
  in_units(text, rounded(number_at(s, m->row[k], table_column(t, "density")), ONE / 100), 0);
  strcat(text, "%");
  label(p, "", x, under + TEXT_LINE, text, 99);
}

/* The first layer's mask level by level, and below it those of the controls that have masks of
 * their own or, if there are none, as many connections at random. */
static void masks_draw(Page *p, const Sheet *s)
{
  Masks *m = allocate(1, sizeof *m, "pictures");
  char of[NAME];
  int height, k, r;
  masks_gather(m, p, s);
  height = m->rows * ROW + 2 * TEXT_LINE; /* of ACROSS levels */
  name_group(p, s->group, of, "");
  if (m->levels > 0) {
    const int all = (m->levels + ACROSS - 1) / ACROSS * height;
    figure_open(p, "What the first layer sees", of, all + 300);
    for (r = 0; r < m->rows; r++)
      for (k = 0; k < m->levels; k++)
        mask_draw(p, m, s, k, r, CELL * (k % ACROSS),
                  k / ACROSS * height + r * ROW + (r > 0 ? TEXT_LINE : 0));
    mask_legend(p, &m->shot[0][0], all, m->most);
    figure_close(p, m->dims == 4 ? of_kernels : of_inputs, "", "");
  }
  for (k = 0; k < m->levels; k++)
    for (r = 0; r < m->rows; r++) free(m->shot[k][r].picture.pixel);
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
  for (k = 0; k < IMAGES; k++) {
    const unsigned char *pixel;
    unsigned char *corner =
        f->pixel + k / across * (height + 1) * line + k % across * (width + 1) * bytes;
    j = 0;
    while (j < data->train.n && data->train.label[j] != k) j++;
    if (j == data->train.n) continue; /* no class k, or no image of it */
    pixel = data->train.pixel + j * image * (size_t)data->channels;
    for (j = 0; j < image; j++)
      for (c = 0; c < bytes; c++)
        corner[j / width * line + j % width * bytes + c] = pixel[c * image + j];
  }
}

/* Ten images of the training set of that table where they can be had: built-in sets are made. */
static void data_draw(Page *p, const Table *t)
{
  const char *name = table_value(t, "data"), *size = table_value(t, "train-size");
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
  same = !strcmp(digest_text(digest, data_digest(&data)), table_value(t, "data-digest"));
  if (!same && !built_in)
    fail("--data %s: its digest is %s, but %s was measured on %.40s, digest %.40s", p->data, digest,
         t->path, name, table_value(t, "data-digest"));
  if (same) {
    ten_images(&f, &data);
    figure_open(p, "Ten images of the training set", name, 4000 * f.height / f.width);
    picture_draw(p, &f, 0, 0, 4000);
    figure_close(p, "The first of each class, 0 to 4 and below them 5 to 9.", "", "");
    free(f.pixel);
  }
  dataset_free(&data);
}

/* The first ten images of each set that the tables have. */
static void data_sets_draw(Page *p)
{
  int k;
  p->heading = "The data";
  for (k = 0; k < p->sheets; k++) {
    const char *set = table_value(&p->sheet[k].table, "data");
    int before = 0;
    while (strcmp(table_value(&p->sheet[before].table, "data"), set) != 0) before++;
    if (before == k && strcmp(set, "-") != 0) data_draw(p, &p->sheet[k].table);
  }
}

static const struct {
  const char *what, *title, *unit;
  int bounded; /* the scale has 0 and 1 on every page */
  const char *caption;
} measures[] = {
    {"angle", "Angles", "2 angle / pi", 1,
     "Between every two networks, over the weights that survive in both: 0 the same direction, 1 a "
     "right angle. Dark is alike. If tickets win, their matrix is darker than that of reinit, and "
     "levels that follow each other are the most alike."},
    {"cosine", "Cosines", "cosine", 1,
     "Between every two networks, over the weights that survive in both: 1 the same direction, 0 a "
     "right angle. Bright is alike. If tickets win, their matrix is brighter than that of reinit."},
    {"l2", "Euclidean distances", "distance", 0, "Of the weights that survive in both; 0: equal."},
    {"l1", "Mean absolute distances", "distance", 0,
     "Of the weights that survive in both; 0: equal."},
    {"disagreement", "Disagreement", "test images (%)", 0,
     "Share of the test images that two networks call by different names; 0: none."},
    {"kl", "Divergence (KL)", "nats", 0, "Of the predictions, from row to column; 0: the same."},
    {"js", "Divergence (JS)", "nats", 0,
     "Of the predictions; 0: the same, 0.69: nothing in common."},
    {"overlap", "Overlap of masks", "percent", 0,
     "Connections that survive in both networks, of those that survive in one; 100: the same "
     "mask."},
    {"hamming", "Hamming distances of masks", "percent", 0,
     "Weights that survive in one network only, of all; 0: the same mask."},
    {"sign", "Equal signs", "percent", 0,
     "Of the weights that survive in both: how many have the same sign; 50: as by chance."},
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
  for (k = 0; k < p->sheets; k++) {
    const Sheet *s = &p->sheet[k];
    if (s->kind != MATRIX_KIND || strcmp(table_value(&s->table, "what"), what) != 0) continue;
    for (r = 1; r <= s->table.rows; r++)
      for (c = 1; c < s->table.columns; c++) axis_widen(&axis, number_at(s, r, c));
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

/* How many of the page's matrices of a kind begin with a network of that branch. */
static int matrices_of(const Page *p, const char *what, const char *branch)
{
  int k, n = 0;
  for (k = 0; k < p->sheets; k++) {
    const Table *t = &p->sheet[k].table;
    if (p->sheet[k].kind != MATRIX_KIND || t->columns < 2) continue;
    if (strcmp(table_value(t, "what"), what) != 0) continue;
    n += !strcmp(network_of(table_cell(t, 0, 1)).branch, branch);
  }
  return n;
}

/* The table that distance prints. */
static void matrix_draw(Page *p, const Sheet *s)
{
  static char row[NETWORKS][NAME], head[NETWORKS][NAME];
  const Table *t = &s->table;
  Heat *h = allocate(1, sizeof *h, "a matrix");
  const char *what = table_value(t, "what");
  const int m = measure_of(what), n = t->columns - 1;
  Network first;
  int r, c, levels = 0, is_only;
  if (n < 1 || t->rows < 1 || n > NETWORKS || t->rows > NETWORKS)
    fail("%s: a matrix of %d x %d is not one that a page can show (1 to %d networks)", t->path,
         t->rows, n, NETWORKS);
  first = network_of(table_cell(t, 0, 1));
  h->title = measures[m].title;
  h->unit = measures[m].unit;
  h->caption = measures[m].caption;
  h->rows = t->rows;
  h->columns = n;
  matrix_scale(p, what, h);
  for (c = 0; c < n; c++) {
    levels += matrix_name(head[c], table_cell(t, 0, 1 + c), &first);
    h->head[c] = head[c];
  }
  for (r = 0; r < h->rows; r++) {
    matrix_name(row[r], table_cell(t, 1 + r, 0), &first);
    h->row[r] = row[r];
    for (c = 0; c < n; c++) h->value[r][c] = number_at(s, 1 + r, 1 + c);
  }
  h->under = levels >= n - 1 ? "level" : "network";
  is_only = levels >= n - 1 && matrices_of(p, what, first.branch) < 2;
  heat_draw(p, h, is_only ? first.branch : s->label);
  free(h);
}

/* ==== planes ================================================================================ */

enum { SIDE = 64, PLANE_TOP = 200 }; /* places along a side of a plane that a page shows, at most */
typedef struct {
  int n, left, wide, high;   /* places along a side; the drawing: where it begins, its size */
  Axis x, y, axis;           /* of the places, and of the values */
  int64_t value[SIDE][SIDE]; /* [y][x] */
} Plane;

static const struct {
  const char *column, *title, *unit, *caption;
  int log;
} of_planes[] = {
    {"train_loss", "Training loss on a plane", "nats",
     "The plane through three networks (Garipov and others 2018); its axes are distances of "
     "weights. Lines join places of one value, those of the scale. Between networks of one basin "
     "no line is crossed that rises.",
     1},
    {"test_error", "Test error on a plane", "percent", "", 0},
};

/* Reads a column of the table: its rows, after the three networks, are n times n places. */
static void plane_read(Plane *f, const Sheet *s, int column, int log)
{
  const Table *t = &s->table;
  int row, r, c;
  memset(f, 0, sizeof *f);
  while (f->n < SIDE && f->n * f->n < t->rows - 3) f->n++;
  if (f->n < 2 || f->n * f->n != t->rows - 3)
    fail("%s: a plane of three networks and %d places is not one that a page can show (2 x 2 to "
         "%d x %d); is it cut short?",
         t->path, t->rows - 3, SIDE, SIDE);
  f->x = f->y = axis_new(0);
  f->axis = axis_new(log);
  for (row = 1; row <= t->rows; row++) axis_widen(&f->axis, number_at(s, row, column));
  for (r = 0; r < f->n; r++)
    for (c = 0; c < f->n; c++) {
      row = 4 + r * f->n + c;
      f->value[r][c] = number_at(s, row, column);
      axis_widen(&f->x, number_at(s, row, 1));
      axis_widen(&f->y, number_at(s, row, 2));
    }
  if (f->x.low >= f->x.high || f->y.low >= f->y.high)
    fail("%s: its places are no plane; the file was changed or damaged", t->path);
  axis_fit(&f->axis);
}

/* Both axes have the same scale. */
static void plane_fit(Plane *f)
{
  int64_t wide = f->x.high - f->x.low, high = f->y.high - f->y.low;
  while (wide > INT64_C(1) << 40 || high > INT64_C(1) << 40) {
    wide = wide / 2 + 1;
    high = high / 2 + 1;
  }
  f->left = 600;
  f->wide = END - f->left;
  f->high = high < wide ? (int)(f->wide * high / wide) : f->wide;
  if (high > wide) f->wide = (int)(f->high * wide / high);
  if (f->wide < 200) f->wide = 200;
  if (f->high < 200) f->high = 200;
}

static int plane_x(const Plane *f, int64_t x) { return f->left + place(&f->x, x, f->wide); }
static int plane_y(const Plane *f, int64_t y)
{
  return PLANE_TOP + f->high - place(&f->y, y, f->high);
}

/* Where the k-th of n places is from 0 to length. */
static int along(const Plane *f, int k, int length) { return length * k / (f->n - 1); }

static void plane_cells_draw(Page *p, const Plane *f)
{
  char text[64];
  int r, c;
  for (r = 0; r < f->n; r++)
    for (c = 0; c < f->n; c++) {
      const int left = along(f, 2 * c - (c > 0), f->wide) / 2;
      const int right = along(f, 2 * c + (c + 1 < f->n), f->wide) / 2;
      const int below = along(f, 2 * r - (r > 0), f->high) / 2;
      const int above = along(f, 2 * r + (r + 1 < f->n), f->high) / 2;
      const int64_t x = f->value[r][c];
      print(p, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"", f->left + left,
            PLANE_TOP + f->high - above, right - left, above - below);
      if (axis_shows(&f->axis, x)) put_colour(p, place(&f->axis, x, 1000));
      else print(p, " class=\"none\"");
      print(p, "><title>%r</title></rect>\n", x == NONE ? "not measured" : in_units(text, x, 0));
    }
}

/* Where on the side from corner i to j of a square of places the level is crossed: its share of
 * the way in thousandths, -1 if it is not. */
static int crossing(const Plane *f, int64_t level, int64_t a, int64_t b)
{
  Axis side = f->axis;
  if ((a < level) == (b < level)) return -1;
  side.low = a < b ? a : b;
  side.high = a < b ? b : a;
  return a < b ? place(&side, level, 1000) : 1000 - place(&side, level, 1000);
}

/* The line of a level (marching squares): in each square of four places, straight pieces between
 * the crossings of its sides. */
static void contour_draw(Page *p, const Plane *f, int64_t level)
{
  static const int corner[5][2] = {{0, 0}, {0, 1}, {1, 1}, {1, 0}, {0, 0}}; /* y, x */
  const int is_bright = place(&f->axis, level, 1000) > 600;
  int r, c, k, n;
  print(p, "<path class=\"%r\" d=\"", is_bright ? "dark" : "bright");
  for (r = 0; r + 1 < f->n; r++)
    for (c = 0; c + 1 < f->n; c++)
      for (k = n = 0; k < 4; k++) {
        const int *i = corner[k], *j = corner[k + 1];
        const int64_t a = f->value[r + i[0]][c + i[1]], b = f->value[r + j[0]][c + j[1]];
        int at = 0, x, y;
        if (!axis_shows(&f->axis, a) || !axis_shows(&f->axis, b)) continue;
        at = crossing(f, level, a, b);
        if (at < 0) continue;
        y = 1000 * (r + i[0]) + at * (j[0] - i[0]);
        x = 1000 * (c + i[1]) + at * (j[1] - i[1]);
        print(p, "%r%d %d", n++ % 2 ? "L" : "M", f->left + along(f, x, f->wide) / 1000,
              PLANE_TOP + f->high - along(f, y, f->high) / 1000);
      }
  print(p, "\"/>\n");
}

/* The numbers beside and below. */
static void plane_axes_draw(Page *p, const Plane *f)
{
  Axis x = f->x, y = f->y;
  char text[64];
  int k;
  axis_fit(&x);
  axis_fit(&y);
  for (k = 0; k < x.ticks; k++)
    if (x.tick[k] >= f->x.low && x.tick[k] <= f->x.high)
      label(p, "c", plane_x(f, x.tick[k]), PLANE_TOP + f->high + 140, tick(text, &x, k), 99);
  for (k = 0; k < y.ticks; k++)
    if (y.tick[k] >= f->y.low && y.tick[k] <= f->y.high)
      label(p, "e", f->left - 50, plane_y(f, y.tick[k]) + 40, tick(text, &y, k), 99);
  label(p, "", 0, 120, "distance from the line A B", 99);
  label(p, "c", f->left + f->wide / 2, PLANE_TOP + f->high + 280, "distance from A towards B", 99);
}

/* The three networks, and below what they are. */
static void plane_networks_draw(Page *p, const Plane *f, const Sheet *s)
{
  const char *path = network_at(&s->table, 0);
  const Network first = network_of(path ? path : "");
  char name[NAME], line[NAME];
  int k;
  for (k = 0; k < 3; k++) {
    const int x = plane_x(f, number_at(s, 1 + k, 1)), y = plane_y(f, number_at(s, 1 + k, 2));
    Network n;
    path = network_at(&s->table, k);
    n = network_of(path ? path : "");
    print(p, "<circle class=\"spot\" cx=\"%d\" cy=\"%d\" r=\"75\"/>", x, y);
    sprintf(line, "%c: %.200s", 'A' + k, in_words(name, &n, first.prefix));
    label(p, "c", x, y + 40, line, 1);
    label(p, "", f->left, PLANE_TOP + f->high + 420 + TEXT_LINE * k, line, 60);
  }
}

static void plane_draw(Page *p, const Sheet *s)
{
  Plane *f = allocate(1, sizeof *f, "a plane");
  size_t j;
  int k, planes = 0;
  for (k = 0; k < p->sheets; k++) planes += p->sheet[k].kind == PLANE_KIND;
  for (j = 0; j < sizeof of_planes / sizeof of_planes[0]; j++) {
    plane_read(f, s, table_column(&s->table, of_planes[j].column), of_planes[j].log);
    plane_fit(f);
    figure_open(p, of_planes[j].title, planes > 1 ? s->label : "",
                PLANE_TOP + f->high + 420 + 3 * TEXT_LINE);
    label(p, "e", 3990, 120, of_planes[j].unit, 99);
    plane_cells_draw(p, f);
    for (k = 0; k < f->axis.ticks; k++) contour_draw(p, f, f->axis.tick[k]);
    plane_axes_draw(p, f);
    plane_networks_draw(p, f, s);
    colour_bar_draw(p, &f->axis, PLANE_TOP + f->high);
    figure_close(p, of_planes[j].caption, "", "");
  }
  free(f);
}

/* ==== settings, digests, commands =========================================================== */

/* n bytes of s as a word of the command, in quotes if a shell would not take it as it is. */
static void put_word(Page *p, const char *s, size_t n)
{
  static const char plain[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+=:,/%@";
  const int quoted = n == 0 || strspn(s, plain) < n;
  const char *quote = quoted && n > 0 ? memchr(s, '\'', n) : NULL;
  print(p, quoted ? " '" : " ");
  while (quote) {
    put_text(p, s, (size_t)(quote - s));
    print(p, "'\\''");
    n -= (size_t)(quote + 1 - s);
    s = quote + 1;
    quote = memchr(s, '\'', n);
  }
  put_text(p, s, n);
  if (quoted) print(p, "'");
}

/* Whether a column has no value in any row. */
static int is_empty(const Table *t, int c)
{
  int row = 1;
  while (row <= t->rows && !strcmp(table_cell(t, row, c), "-")) row++;
  return row > t->rows;
}

/* The command that repeats a table: its networks, options that are not as they would be anyway. */
static void command_draw(Page *p, const Sheet *s)
{
  /* are no options */
  static const char *const none[] = {
      "ticket",        "command", "data-digest", "mean",    "deviation", "init-digest",
      "ticket-digest", "network", "checksum",    "density", NULL};
  const Table *t = &s->table;
  const char *command = table_value(t, "command"), *data = table_value(t, "data");
  const char *file = s->kind <= EPOCHS_KIND ? s->name : t->path;
  int k;
  print(p, "<pre>ticket");
  put_word(p, command, strlen(command));
  for (k = 0; k < t->pairs; k++) { /* a network is `file digest` */
    const char *space = strrchr(t->value[k], ' ');
    if (!strcmp(t->key[k], "network"))
      put_word(p, t->value[k], space ? (size_t)(space - t->value[k]) : strlen(t->value[k]));
  }
  for (k = 0; k < t->pairs; k++) {
    const char *key = t->key[k], *value = t->value[k];
    if (strchr(key, '_')) break; /* results from here on */
    if (among(none, key) || !strcmp(value, "-") || p->is_standard(key, value)) continue;
    if (s->kind > STABILITY_KIND && !strcmp(key, "model")) continue; /* the files say it */
    print(p, " --%s", key);
    if (strcmp(key, "nesterov") != 0) put_word(p, value, strlen(value));
    if (value == data && strncmp(data, "synth", 5) != 0) print(p, ":DIR");
  }
  if (strcmp(table_value(t, "init-digest"), "-") != 0) print(p, " --init FILE");
  if (strcmp(table_value(t, "ticket-digest"), "-") != 0) print(p, " --ticket FILE");
  print(p, s->kind <= EPOCHS_KIND ? " --out" : " &gt;");
  put_word(p, file, strlen(file));
  print(p, "</pre>\n");
}

/* The rows of a table without its empty columns. */
static void rows_draw(Page *p, const Sheet *s)
{
  const Table *t = &s->table;
  const int collapsed = table_column(t, "collapsed");
  unsigned char *empty = allocate((size_t)t->columns, 1, "a table");
  int row, c, n = 0;
  for (c = 0; c < t->columns; c++) empty[c] = (unsigned char)is_empty(t, c);
  print(p, "<div class=\"wide\"><table>\n");
  for (row = 0; row <= t->rows; row++) {
    if (s->kind == PROBE_KIND && !strcmp(table_cell(t, row, 0), "histogram")) continue;
    print(p, row > 0 ? "</tr>\n" : "");
    print(p, row > 0 && lost(s, row) ? "<tr style=\"background:var(--faint)\">" : "<tr>");
    for (c = 0; c < t->columns; c++) {
      const char *text = table_cell(t, row, c);
      if (empty[c]) continue;
      if (row > 0 && !strcmp(text, "-")) text = c == collapsed ? "none" : "not measured";
      print(p, row > 0 ? "<td>%s</td>" : "<th>%s</th>", text);
    }
  }
  print(p, "</tr>\n</table></div>\n");
  for (c = 0; c < t->columns; c++)
    if (c != collapsed && empty[c])
      print(p, "%r%s", n++ > 0 ? ", " : "<p>Not measured: ", table_cell(t, 0, c));
  print(p, n > 0 ? ".</p>\n" : "");
  free(empty);
}

/* A table's settings, the command that repeats it and (not of paths, matrices) what it holds. */
static void settings(Page *p, const Sheet *s)
{
  const Table *t = &s->table;
  int k;
  print(p, "<h3>%s (%r)</h3>\n<p class=\"kv\">", t->path, kinds[s->kind].what);
  for (k = 0; k < t->pairs; k++) print(p, "<span>%s = %s</span>\n", t->key[k], t->value[k]);
  print(p, "</p>\n");
  command_draw(p, s);
  if (t->rows > 0 && s->kind != LINE_KIND && s->kind != PLANE_KIND && s->kind != MATRIX_KIND)
    rows_draw(p, s);
}

/* Networks that a run will have. */
static int expected_rows(const Sheet *t)
{
  const int train = !strcmp(table_value(&t->table, "command"), "train"),
            one_shot = strcmp(table_value(&t->table, "one-shot"), "-") != 0;
  const long levels = train ? 1 : one_shot ? 2 : strtol(table_value(&t->table, "levels"), NULL, 10);
  const char *at = table_value(&t->table, "branches");
  int n = levels > 0 && levels < 100 ? (int)levels : 0, rows = n;
  while (*at && strcmp(at, "-") != 0) {
    const int from_1 = !strncmp(at, "shuffle", 7) || !strncmp(at, "random", 6);
    rows += from_1 ? n - 1 : n;
    at += strcspn(at, ",");
    at += *at == ',';
  }
  return rows;
}

/* What was run how often, and what is missing. */
static void summary(Page *p, int group)
{
  const Sheet *first = &p->sheet[group], *t;
  char name[NAME];
  int runs = 0, row;
  name_group(p, group, name, "");
  print(p, "<p>%s%r%s on %s", name, *name ? ": " : "", table_value(&first->table, "model"),
        table_value(&first->table, "data"));
  for (t = first; t < p->sheet + p->sheets; t++)
    if (t->group == group)
      print(p, "%r%s", runs++ ? ", " : ", seed ", table_value(&t->table, "seed"));
  print(p, "%r</p>\n",
        runs > 1 ? "; points are means over these runs, bars reach from the lowest to the highest."
                 : ".");
  print(p, "<p>Trained for %s by %s", table_value(&first->table, "steps"),
        table_value(&first->table, "optimizer"));
  print(p, ", learning rate %s, in batches of %s.</p>\n", table_value(&first->table, "lr"),
        table_value(&first->table, "batch"));
  for (t = first; t < p->sheet + p->sheets; t++)
    if (t->group == group && t->table.rows < expected_rows(t))
      print(p,
            "<p><strong>%s is unfinished: %d of %d networks</strong>, unless it ended where "
            "nothing was left to "
            "prune; the command below goes on with it.</p>\n",
            t->table.path, t->table.rows, expected_rows(t));
  for (t = first; t < p->sheet + p->sheets; t++)
    for (row = 1; row <= t->table.rows; row++)
      if (t->group == group && lost(t, row))
        print(p,
              "<p><strong>%s, level %s, branch %s: no weight is left in %s</strong>; its points "
              "have a ring, its row is shaded.</p>\n",
              t->table.path, table_cell(&t->table, row, table_column(&t->table, "level")),
              table_cell(&t->table, row, table_column(&t->table, "branch")), lost(t, row));
}

/* Mean over a group's runs of a column at a level and branch, or NONE. */
static int64_t mean_of(const Page *p, int group, const char *level, const char *branch,
                       const char *name)
{
  int64_t sum = 0, x;
  int k, row, n = 0;
  for (k = 0; k < p->sheets; k++) {
    const Sheet *s = &p->sheet[k];
    if (s->kind != RUN_KIND || s->group != group) continue;
    row = row_of(&s->table, level, branch);
    x = row > 0 ? number_at(s, row, table_column(&s->table, name)) : NONE;
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
  const char *level[MOST_LEVELS], *branch[SERIES];
  const int levels = distinct(p, group, "level", level, MOST_LEVELS);
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
      "<dt>ticket</dt><dd>A mask that pruning found, with the values that these weights had at the "
      "step --rewind (0: before any training); trained again.</dd>\n"
      "<dt>reinit</dt><dd>The control: the ticket's mask with other initial values (one set for "
      "all levels), trained the same way. If it does worse, the mask alone is not the "
      "secret.</dd>\n</dl>\n");
}

/* What tables of published values say of themselves: their claim, source, what was changed. */
static void notes(Page *p)
{
  int k, j;
  for (k = 0; k < p->sheets; k++) {
    const Table *t = &p->sheet[k].table;
    if (p->sheet[k].kind != PUBLISHED_KIND) continue;
    for (j = 0; j < t->pairs; j++)
      print(p, "<p><strong>%s:</strong> %s</p>\n", t->key[j], t->value[j]);
  }
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
    ".l{fill:none;stroke-width:16}.o{fill:var(--paper);stroke-width:11}.b{fill:none;stroke-width:9}"
    ".h{opacity:0}.h:hover{opacity:1}.g{"
    "stroke:var(--faint);stroke-width:8;fill:none}.none{fill:var(--faint)}rect{shape-rendering:"
    "crispEdges}\n"
    ".bright,.dark{fill:none;stroke:#fff;stroke-width:12}.dark{stroke:#000}.spot{fill:var(--paper);"
    "stroke:var(--ink);stroke-width:10}\n"
    ".d1{stroke-dasharray:60 30}.d2{stroke-dasharray:18 26}.d3{stroke-dasharray:90 26 18 26}\n"
    ".kv{font-size:12px}.kv "
    "span{display:inline-block;margin-right:16px}pre{white-space:pre-wrap;font-size:12px;border:"
    "1px solid var(--faint);padding:6px}\n"
    ".wide{overflow-x:auto;margin-bottom:24px}table{border-collapse:collapse;font:11px/1.3 "
    "ui-monospace,monospace}td,th{padding:1px 8px;text-align:right;border-bottom:1px solid "
    "var(--faint)}\n"
    "h2,h3{break-after:avoid}@media "
    "print{:root{--paper:#fff;--ink:#000;--faint:#ccc;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#"
    "b0568f;--c4:#b07800;--c5:#3a9ad9;--c6:#555}"
    "body{padding:0}.grid{grid-template-columns:1fr "
    "1fr}.wide{overflow:visible}table{font-size:7px}}\n";

static void head_draw(Page *p)
{
  const Table *t = &p->sheet[0].table;
  int k;
  for (k = p->sheets - 1; k >= 0; k--) /* the first that says on which data */
    if (strcmp(table_value(&p->sheet[k].table, "data"), "-") != 0) t = &p->sheet[k].table;
  print(p,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
        "name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>Lottery tickets: %s on %s</title>\n<style>\n%r",
        table_value(t, "model"), table_value(t, "data"), style);
  for (k = 0; k < STYLES; k++)
    print(p, ".s%d{stroke:var(--c%d)}.m.s%d,.h.s%d{fill:var(--c%d)}\n", k, k, k, k, k);
  print(p, "</style>\n</head>\n<body>\n<h1>Lottery tickets: %s on %s</h1>\n",
        table_value(t, "model"), table_value(t, "data"));
}

/* What belongs to one table of a kind or one group of runs, after its charts. */
static void sheets_draw(Page *p, int kind)
{
  int k;
  for (k = 0; k < p->sheets; k++) {
    const Sheet *s = &p->sheet[k];
    if (s->kind != kind) continue;
    if (kind == RUN_KIND && s->group == k) {
      layers_draw(p, s);
      masks_draw(p, s);
    }
    if (kind == PLANE_KIND) plane_draw(p, s);
    if (kind == MATRIX_KIND) matrix_draw(p, s);
  }
}

static void page_draw(Page *p)
{
  static const int order[] = {RUN_KIND,   EPOCHS_KIND, STABILITY_KIND, BATCH_KIND, LINE_KIND,
                              PLANE_KIND, PROBE_KIND,  ANGLE_KIND,     MATRIX_KIND};
  size_t j;
  int k;
  head_draw(p);
  notes(p);
  for (k = 0; k < p->sheets; k++)
    if (p->sheet[k].kind == RUN_KIND && p->sheet[k].group == k) {
      summary(p, k);
      result(p, k);
    }
  definitions(p);
  data_sets_draw(p);
  for (j = 0; j < sizeof order / sizeof order[0]; j++) {
    charts(p, order[j]);
    sheets_draw(p, order[j]);
  }
  print(p, "%r<h2>Settings, digests and the commands that repeat them</h2>\n",
        p->open ? "</div>\n" : "");
  for (k = 0; k < p->sheets; k++)
    if (p->sheet[k].kind != EPOCHS_KIND && p->sheet[k].kind != PUBLISHED_KIND)
      settings(p, &p->sheet[k]);
  print(p,
        "<p>Values that are not finite or above 10<sup>10</sup> are not drawn. Written by ticket "
        "%r.</p>\n</body>\n</html>\n",
        TICKET_VERSION);
}

void write_report(char *const *name, int n, const char *out, const char *data, int values,
                  Standard *is_standard)
{
  Page *p = allocate(1, sizeof *p, "the page");
  char *path, *path_of_values;
  int k;
  p->is_standard = is_standard;
  p->data = data;
  p->writes_values = values;
  for (k = 0; (size_t)k < sizeof figures / sizeof figures[0]; k++) {
    p->shared[k][0] = axis_new(figures[k].kind == RUN_KIND || figures[k].kind == BATCH_KIND);
    p->shared[k][1] = axis_new(figures[k].log);
  }
  for (k = 0; k < n; k++) {
    const size_t length = strlen(name[k]);
    add_sheet(p,
              join(name[k], "", length > 4 && !strcmp(name[k] + length - 4, ".tsv") ? "" : ".tsv"));
  }
  widen_labels(p);
  if (!*out) out = p->sheet[0].name;
  path = join(out, "", ".html");
  path_of_values = join(out, "", ".values.tsv");
  output_open(&p->out, path);
  if (values) {
    output_open(&p->values, path_of_values);
    output_print(&p->values, "chart\tline\tx\ty\tlow\thigh\tpublished\truns\n");
  }
  page_draw(p);
  output_close(&p->out);
  printf("%s\n", path);
  if (values) {
    output_close(&p->values);
    printf("%s\n", path_of_values);
  }
  free(path);
  free(path_of_values);
}
