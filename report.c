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

enum {
  RUN_KIND,
  EPOCHS_KIND,
  STABILITY_KIND,
  LINE_KIND,
  PROBE_KIND,
  MATRIX_KIND,
  PUBLISHED_KIND,
  KINDS
};
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
    {"chart\tline\tx\ty\tlow\thigh", "published values", NULL, NULL, NULL},
};
enum { SHEETS = 256, SERIES = 40, NETWORKS = 128, NAME = 400 };

/* A table, and what it is on the page. */
typedef struct {
  Table table;
  char *name;        /* its path without .tsv */
  const char *label; /* the name without folders */
  int kind, group;   /* group: the first table that differs in its seeds only */
} Sheet;

/* The page and all that it is made from. */
typedef struct {
  Output out, values; /* values: every point drawn, if writes_values */
  int writes_values;
  Sheet sheet[SHEETS];
  int sheets;
  Standard *is_standard; /* whether an option has a value anyway */
  const char *heading;   /* of the section whose figures come now; NULL once it is written */
  int open;              /* a section is */
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
 * text, %n millionths (in_units). */
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

static void figure_close(Page *p, const char *caption, const char *note, const char *second)
{
  print(p, "</svg>\n<figcaption>%r%r%r</figcaption>\n</figure>\n", caption, note, second);
}

/* ==== axes ================================================================================== */

typedef struct {
  int log, ticks;
  int64_t low, high, tick[40];
} Axis;

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

/* The text of a tick; all of a linear axis are in the unit of its largest number. */
static const char *tick(char text[64], const Axis *a, int k)
{
  const int64_t most = -a->low > a->high ? -a->low : a->high;
  return in_units(text, a->tick[k], a->log ? a->tick[k] : most);
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
  int published, style; /* style: colour, dashes and marker */
} Series;

/* A figure of tables of a kind: y = base + column plus - column minus (where there is one). */
typedef struct {
  int kind, log;
  const char *title, *y_name;
  int64_t base;
  const char *plus, *minus, *caption;
} Figure;

typedef struct {
  const Figure *figure;
  const char *x_name; /* of a logarithmic x axis; NULL: the kind's axis */
  Series series[SERIES];
  int n;
} Chart;

/* What a figure says of itself where it is so. */
static const char left_out[] =
    " What is not above 0 is left out: a logarithmic axis has no place for it.";
static const char ringed[] = " Ringed: a layer has no weight left there.";

/* One more series: the points of a group's tables, of that branch and level where they are not
 * NULL. */
static void gather(Chart *c, const Page *p, int group, const char *name, const char *branch,
                   const char *level)
{
  Series *s = &c->series[c->n];
  const Figure *f = c->figure;
  size_t most = 0;
  int k, row;
  for (k = 0; k < p->sheets; k++)
    most += p->sheet[k].group == group ? (size_t)p->sheet[k].table.rows : 0;
  s->point = allocate(most, sizeof *s->point, "a curve");
  s->points = 0;
  s->published = 0;
  for (k = 0; k < p->sheets; k++) {
    const Sheet *t = &p->sheet[k];
    const int x = table_column(&t->table, kinds[f->kind].x),
              plus = f->plus ? table_column(&t->table, f->plus) : -1,
              minus = f->minus ? table_column(&t->table, f->minus) : -1;
    const int of_branch = table_column(&t->table, "branch"),
              of_level = table_column(&t->table, "level"),
              of_copy = table_column(&t->table, "copy");
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

enum { STYLES = 7, DASHES = 4, RIGHT = 3800, TOP = 260, BOTTOM = 2300 };
static const char *const marker[STYLES] = {"m-28 0a28 28 0 1 0 56 0a28 28 0 1 0-56 0z",
                                           "m-25-25h50v50h-50z",
                                           "m0-36l34 58h-68z",
                                           "m0-36l36 36-36 36-36-36z",
                                           "m0 36l34-58h-68z",
                                           "m-26-10h16v-16h20v16h16v20h-16v16h-20v-16h-16z",
                                           "m-34-14h68v28h-68z"};

static const char published[] = "published: "; /* begins the names of such lines */
enum { AFTER = sizeof published - 1 };

/* The chart's series of published values of that line, new if there is none, in the style of the
 * chart's own line of that name if there is one. */
static Series *published_series(Chart *c, const Table *t, const char *line)
{
  Series *s;
  int at = 0, k;
  while (at < c->n && (!c->series[at].published || strcmp(c->series[at].name + AFTER, line) != 0))
    at++;
  s = &c->series[at];
  if (at < c->n) return s;
  if (at == SERIES - 1)
    fail("%s: the figure '%s' would have %d lines or more", t->path, c->figure->title, SERIES);
  *s = (Series){.published = 1, .style = c->n++};
  sprintf(s->name, "%s%.200s", published, line);
  s->point = allocate((size_t)t->rows, sizeof *s->point, "published values");
  for (k = 0; k < at; k++)
    if (!c->series[k].published && !strcmp(c->series[k].name, line)) s->style = c->series[k].style;
  return s;
}

/* Adds the values that tables of published ones have for a figure. */
static void add_published(const Page *p, Chart *c)
{
  int k, row;
  for (k = 0; k < c->n; k++) c->series[k].style = k;
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

/* Merges the points of runs, leaves out those that the axes cannot show, and makes the axes. */
static void frame_fit(Frame *f, Chart *c)
{
  char text[64];
  size_t j;
  int k, longest = 0;
  for (k = 0; k < c->n; k++) {
    Series *s = &c->series[k];
    size_t shown = 0;
    merge(s);
    for (j = 0; j < s->points; j++) {
      const Point *q = &s->point[j];
      /* a bar may reach 0 where its mean does not */
      f->hidden |= !axis_shows(&f->x, q->x) || !axis_shows(&f->y, q->low);
      if (!axis_shows(&f->x, q->x) || !axis_shows(&f->y, q->y)) continue;
      axis_widen(&f->x, q->x);
      axis_widen(&f->y, q->low);
      axis_widen(&f->y, q->y);
      axis_widen(&f->y, q->high);
      f->ringed |= q->collapsed;
      s->point[shown++] = *q;
    }
    s->points = shown;
  }
  axis_fit(&f->x);
  axis_fit(&f->y);
  for (k = 0; k < f->y.ticks; k++)
    if ((int)strlen(tick(text, &f->y, k)) > longest) longest = (int)strlen(text);
  f->left = 140 + 68 * longest;
}

/* Opens the figure with the legend's rows; returns how high they are. */
static int legend_draw(Page *p, const Chart *c, const char *of)
{
  int begin[SERIES][2], at = 0, height = 0, k; /* begin: where each name does */
  for (k = 0; k < c->n; k++) {
    const int wide = 560 + 62 * (int)strlen(c->series[k].name);
    if (at > 0 && at + wide > 4000) {
      at = 0;
      height += 170;
    }
    begin[k][0] = at;
    begin[k][1] = height + 60;
    at += wide;
  }
  height += 170;
  figure_open(p, c->figure->title, of, 2740 + height);
  for (k = 0; k < c->n; k++) {
    const int ours = !c->series[k].published, style = c->series[k].style;
    if (ours)
      print(p, "<path class=\"l s%d d%d\" d=\"M%d %dh400\"/>", style % STYLES, style % DASHES,
            begin[k][0], begin[k][1]);
    print(p, "<path class=\"%r s%d\" d=\"M%d %d%r\"/>", ours ? "m" : "o", style % STYLES,
          begin[k][0] + 200, begin[k][1], marker[style % STYLES]);
    label(p, "", begin[k][0] + 450, begin[k][1] + 40, c->series[k].name, 62);
  }
  return height;
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

static const char *x_name_of(const Chart *c)
{
  return c->x_name ? c->x_name : kinds[c->figure->kind].x_name;
}

/* A point of a series: its bar, its ring, its marker with what it says under the pointer. */
static void point_draw(Page *p, const Frame *f, const Chart *c, const Series *s, const Point *q)
{
  const int x = x_of(f, q->x), y = y_of(f, q->y), style = s->style % STYLES;
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
        style, x, y, marker[style]);
  print(p, "<title>%s\n%r: %n\n%r: %n", s->name, x_name_of(c), q->x, c->figure->y_name, q->y);
  if (q->runs > 1) print(p, "\nmean of %d runs, from %n to %n", q->runs, q->low, q->high);
  if (q->collapsed) print(p, "\na layer has no weight left");
  print(p, "</title></path>\n");
}

static void line_draw(Page *p, const Frame *f, const Series *s)
{
  size_t j;
  print(p, "<polyline class=\"l s%d d%d\" points=\"", s->style % STYLES, s->style % DASHES);
  for (j = 0; j < s->points; j++)
    print(p, "%r%d,%d", j > 0 ? " " : "", x_of(f, s->point[j].x), y_of(f, s->point[j].y));
  print(p, "\"/>\n");
}

/* Draws what the chart has, if anything, and empties it. */
static void chart_draw(Page *p, Chart *c, const char *of)
{
  const Figure *f = c->figure;
  Frame frame = {.x = axis_new(f->kind == RUN_KIND || c->x_name),
                 .y = axis_new(f->log),
                 .density = f->kind == RUN_KIND};
  size_t j;
  int k;
  if (c->n == 0) return;
  add_published(p, c);
  frame_fit(&frame, c);
  if (p->writes_values) write_values(p, c, of);
  print(p, "<g transform=\"translate(0 %d)\">\n", legend_draw(p, c, of));
  axes_draw(p, &frame, x_name_of(c), f->y_name);
  for (k = 0; k < c->n; k++) {
    const Series *s = &c->series[k];
    if (!s->published) line_draw(p, &frame, s);
    if (s->points <= 1000)
      for (j = 0; j < s->points; j++) point_draw(p, &frame, c, s, &s->point[j]);
    free(s->point);
  }
  print(p, "</g>\n");
  figure_close(p, f->caption, frame.hidden ? left_out : "", frame.ringed ? ringed : "");
  c->n = 0;
}

/* ==== heat-maps ============================================================================= */

typedef struct {
  const char *title, *unit, *caption, *under; /* the program's own */
  int rows, columns, log;
  int64_t most; /* the colours reach to it at least */
  const char *row[NETWORKS], *head[NETWORKS];
  int64_t value[NETWORKS][NETWORKS]; /* NONE where there is none */
} Heat;

/* Viridis (Smith and van der Walt 2015): equal steps look equally large, also without colour; at
 * 0, 0.1, ... 1 of the axis. */
static const unsigned char viridis[11][3] = {
    {68, 1, 84},    {72, 36, 117},  {65, 68, 135},  {53, 95, 141},  {42, 120, 142}, {33, 145, 140},
    {34, 168, 132}, {68, 191, 112}, {122, 209, 81}, {189, 223, 38}, {253, 231, 37}};

static void put_colour(Page *p, int at) /* 0 to 1000 */
{
  const int k = at < 1000 ? at / 100 : 9, rest = at - 100 * k;
  int channel;
  print(p, " fill=\"#");
  for (channel = 0; channel < 3; channel++)
    output_print(
        &p->out, "%02x",
        (unsigned)((viridis[k][channel] * (100 - rest) + viridis[k + 1][channel] * rest + 50) /
                   100));
  print(p, "\"");
}

enum { MARGIN = 14, END = 3400 }; /* letters of a name; where the cells end */

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
    if (strchr("./_", end ? name[0][strlen(name[0]) - 1 - j] : name[0][j])) found = j + 1;
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

/* Draws it, unless it has no cell. */
static void heat_draw(Page *p, const Heat *h, const char *of)
{
  Word side[NETWORKS], below[NETWORKS];
  Axis axis = axis_new(h->log);
  char text[64];
  int left, wide, width, height, bottom, unmeasured = 0, zero = 0, r, c;
  if (h->rows == 0 || h->columns == 0) return;
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
  wide = 100 + 68 * shorten(below, h->head, h->columns);
  width = (END - left) / h->columns;
  height = width < 2800 / h->rows ? width : 2800 / h->rows;
  if (height < 1200 / h->rows) height = 1200 / h->rows;
  bottom = 200 + h->rows * height;
  figure_open(p, h->title, of, bottom + 360);
  label(p, "e", 3990, 120, h->unit, 99);
  for (r = 0; r < h->rows; r++) {
    if (r % (130 / height + 1) == 0)
      label(p, "e", left - 50, 240 + r * height + height / 2, side[r].text, side[r].size);
    for (c = 0; c < h->columns; c++) {
      const int64_t x = h->value[r][c];
      print(p, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"", left + c * width,
            200 + r * height, width, height);
      if (axis_shows(&axis, x)) put_colour(p, place(&axis, x, 1000));
      else print(p, " class=\"none\"");
      print(p, "><title>%s\n%s\n%r</title></rect>\n", h->row[r], h->head[c],
            x == NONE ? "not measured" : in_units(text, x, 0));
    }
  }
  for (c = 0; c < h->columns; c += wide / width + 1)
    label(p, "c", left + c * width + width / 2, bottom + 140, below[c].text, below[c].size);
  label(p, "c", (left + END) / 2, bottom + 310, h->under, 99);
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

static const Figure figures[] = {
    {RUN_KIND, 0, "Test accuracy", "test accuracy (%)", 100 * INT64_C(1000000), NULL, "test_error",
     "If tickets win, their line stays high to the right, where few weights remain, while new "
     "initialisations under the same masks (reinit) fall earlier."},
    {RUN_KIND, 0, "Training accuracy", "training accuracy (%)", 100 * INT64_C(1000000), NULL,
     "train_error",
     "Where it leaves 100% the network has become too small to fit its training set; if tickets "
     "win, that happens to them last."},
    {RUN_KIND, 0, "Gap between test and training set", "test error - training error (points)", 0,
     "test_error", "train_error",
     "What was learned but does not carry over to new images. It also closes where training itself "
     "fails, which if tickets win happens to controls first."},
    {RUN_KIND, 0, "Pruning threshold", "largest magnitude pruned", 0, "threshold", NULL,
     "Magnitude up to which pruning this network removes weights; if tickets win, what they keep "
     "is large, and their line climbs above the others'."},
    {RUN_KIND, 0, "Barrier on the test set", "error barrier (points)", 0, "test_barrier", NULL,
     "Highest error on the straight line to the same branch one level denser, minus the mean of "
     "its two ends. Ends of unequal "
     "error give a barrier without any hill on the line; only the height, where it was measured, "
     "is 0 without a hill."},
    {RUN_KIND, 0, "Barrier on the training set", "error barrier (points)", 0, "train_barrier", NULL,
     "The same on the training images."},
    {RUN_KIND, 0, "Height of the barrier on the test set", "height (points)", 0, "test_height",
     NULL,
     "Highest error above the straight line between the errors of the same two ends: 0 where there "
     "is no hill, however unequal "
     "they are. If tickets win it stays near 0: each lies in the basin of the last."},
    {RUN_KIND, 0, "Height of the barrier on the training set", "height (points)", 0, "train_height",
     NULL, "The same on the training images."},
    {RUN_KIND, 0, "Instability on the test set", "error barrier (points)", 0, "test_instability",
     NULL,
     "Error barrier (above the mean of the two ends) between copies trained under different data "
     "orders; tickets tend to win "
     "where it is near 0, as the order no longer decides the outcome there."},
    {RUN_KIND, 0, "Instability on the training set", "error barrier (points)", 0,
     "train_instability", NULL, "The same on the training images."},
    {EPOCHS_KIND, 1, "Training loss", "mean loss of the epoch", 0, "train_loss", NULL,
     "If tickets win, sparse ones (in brackets: weights that remain) fall as fast as the dense "
     "one, level 0, and a control's lines move up with every level."},
    {EPOCHS_KIND, 0, "Test error", "test error (%)", 0, "test_error", NULL,
     "If tickets win, sparse networks come down as early and as far as the dense one, level 0."},
    {STABILITY_KIND, 0, "Instability on the test set", "error barrier (points)", 0,
     "test_instability", NULL,
     "Barrier between copies trained apart from that step: highest error on the line minus the "
     "mean of its two ends, which ends "
     "of unequal error raise without any hill. The first step where it is near 0 is the earliest "
     "to rewind to if tickets are to win."},
    {STABILITY_KIND, 0, "Instability on the training set", "error barrier (points)", 0,
     "train_instability", NULL, "The same on the training images."},
    {STABILITY_KIND, 0, "Height of the barrier on the test set", "height (points)", 0,
     "test_height", NULL,
     "Highest error above the straight line between the errors of the same two ends: 0 where there "
     "is no hill between the copies, "
     "however unequal they are."},
    {STABILITY_KIND, 0, "Height of the barrier on the training set", "height (points)", 0,
     "train_height", NULL, "The same on the training images."},
    {LINE_KIND, 0, "Test error on the way", "test error (%)", 0, "test_error", NULL,
     "A hill is a barrier between two basins; if tickets win, the line between those of successive "
     "levels is flat. A flat curve leads around a hill."},
    {LINE_KIND, 0, "Training error on the way", "training error (%)", 0, "train_error", NULL,
     "The same on the training images."},
    {LINE_KIND, 0, "Test loss on the way", "test loss", 0, "test_loss", NULL,
     "The loss shows hills and valleys where the error is flat."},
    {LINE_KIND, 1, "Training loss on the way", "training loss", 0, "train_loss", NULL,
     "The same on the training images, on a logarithmic axis."},
    {PROBE_KIND, 0, "Weights by value", "weights in a bin", 0, "value", NULL,
     "Surviving weights in 100 bins from lowest to highest; pruning empties the middle, and if "
     "tickets win, their humps lie further out than a control's."},
};

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

/* What a path or probe is of: `straight line, A to B (table)`. */
static void name_networks(const Sheet *t, char name[NAME])
{
  int k, n = 0;
  sprintf(name, "%s",
          t->kind == PROBE_KIND                                 ? ""
          : !strcmp(table_value(&t->table, "command"), "curve") ? "curve, "
                                                                : "straight line, ");
  for (k = 0; k < t->table.pairs; k++)
    if (!strcmp(t->table.key[k], "network") && n++ < 2) { /* file.safetensors digest */
      const char *end = strstr(t->table.value[k], ".safetensors"),
                 *slash = strrchr(t->table.value[k], '/'),
                 *begin = slash ? slash + 1 : t->table.value[k];
      sprintf(name + strlen(name), "%s%.*s", n > 1 ? " to " : "",
              end && end > begin && end - begin < 80 ? (int)(end - begin) : 16, begin);
    }
  sprintf(name + strlen(name), " (%.150s)", t->label);
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

/* The charts of a kind: a series per group of runs and branch, or per table; of training curves
 * a chart per group and branch with up to SHOWN levels, evenly from the first to the last. */
static void charts(Page *p, int kind)
{
  enum { SHOWN = 6, LEVELS = 100 };
  static Chart c;
  const char *branch[SERIES], *level[LEVELS];
  char name[NAME];
  size_t f;
  int g, b, l, row;
  p->heading = kinds[kind].section;
  for (f = 0; f < sizeof figures / sizeof figures[0]; f++) {
    if (figures[f].kind != kind) continue;
    c.figure = &figures[f];
    for (g = 0; g < p->sheets; g++) {
      const Sheet *t = &p->sheet[g];
      const int branches = kind <= EPOCHS_KIND ? distinct(p, g, "branch", branch, SERIES) : 1;
      const int levels = kind == EPOCHS_KIND ? distinct(p, g, "level", level, LEVELS) : 1;
      if (t->kind != kind || t->group != g) continue;
      if (kind == STABILITY_KIND && t->table.rows == 1 && several_batches(p)) continue;
      for (b = 0; b < branches; b++) {
        if (kind > STABILITY_KIND) name_networks(t, name);
        else name_group(p, g, name, kind == STABILITY_KIND ? "" : branch[b]);
        if (kind != EPOCHS_KIND) {
          gather(&c, p, g, *name ? name : t->label, kind == RUN_KIND ? branch[b] : NULL, NULL);
          continue;
        }
        for (l = 0; l < levels; l++) {
          char of[NAME];
          if (levels > SHOWN && l * (SHOWN - 1) % (levels - 1) >= SHOWN - 1) continue;
          row = 1;
          while (row <= t->table.rows && strcmp(table_cell(&t->table, row, 0), level[l]) != 0)
            row++;
          sprintf(of, "level %.20s (%.20s%%)", level[l],
                  row <= t->table.rows
                      ? table_cell(&t->table, row, table_column(&t->table, "density"))
                      : "?");
          gather(&c, p, g, of, branch[b], level[l]);
        }
        chart_draw(p, &c, name);
      }
    }
    chart_draw(p, &c, "");
  }
}

/* Adds a point to a line of the chart, which is made with room for `most` if it is new. */
static void add_point(Chart *c, const char *name, int most, Point q)
{
  int at = 0;
  while (at < c->n && strcmp(c->series[at].name, name) != 0) at++;
  if (at == SERIES - 1)
    fail("the figure '%s' would have %d lines or more; give ticket report fewer files",
         c->figure->title, SERIES);
  if (at == c->n) {
    c->series[c->n++] = (Series){.point = allocate((size_t)most, sizeof(Point), "a curve")};
    sprintf(c->series[at].name, "%.*s", NAME - 1, name);
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
static void batch_charts(Page *p)
{
  static const Figure over_batch[2] = {
      {STABILITY_KIND, 0, "Instability by batch size, training set", "error barrier (points)", 0,
       "train_instability", NULL,
       "Barrier between copies that see the data in other orders. Tickets are expected to win with "
       "the batch sizes where it is near 0."},
      {STABILITY_KIND, 0, "Instability by batch size, test set", "error barrier (points)", 0,
       "test_instability", NULL, "The same on the test images."}};
  static Chart c = {.x_name = "batch size"};
  char name[NAME];
  int f, k;
  if (!several_batches(p)) return;
  for (f = 0; f < 2; f++) {
    c.figure = &over_batch[f];
    for (k = 0; k < p->sheets; k++) {
      const Sheet *t = &p->sheet[k];
      const long size = strtol(table_value(&t->table, "batch"), NULL, 10);
      Point q = {.table = k, .key = size, .x = size * ONE};
      if (t->kind != STABILITY_KIND || t->table.rows < 1 || size < 1 || size > 65536) continue;
      q.y = number_at(t, 1, table_column(&t->table, over_batch[f].plus));
      if (q.y == NONE) continue;
      name_density(p, t, name);
      add_point(&c, name, p->sheets, q);
    }
    chart_draw(p, &c, "");
  }
}

/* Of matrices of angles: how far each network is from the next one and from the last, which is no
 * next one: the initialisation, as a rule. */
static void matrix_charts(Page *p)
{
  static const Figure of_angles[2] = {
      {MATRIX_KIND, 0, "Angle to the next network", "2 angle / pi", 0, NULL, NULL,
       "A way along the matrix just above its diagonal: networks of successive levels that end in "
       "the same region are near each other."},
      {MATRIX_KIND, 0, "Angle to the last network", "2 angle / pi", 0, NULL, NULL,
       "The last column of the matrix, the initialisation where it was given as the last "
       "network."}};
  static Chart c;
  int f, k, row;
  for (f = 0; f < 2; f++) {
    c.figure = &of_angles[f];
    for (k = 0; k < p->sheets; k++) {
      const Sheet *t = &p->sheet[k];
      const int n = t->table.rows;
      if (t->kind != MATRIX_KIND || strcmp(table_value(&t->table, "what"), "angle") != 0) continue;
      if (t->table.columns != n + 1) continue;
      for (row = 1; row + (f == 0) < n; row++) {
        Point q = {.table = k, .key = (row - 1) * ONE, .x = (row - 1) * ONE};
        q.y = number_at(t, row, f == 0 ? row + 1 : n);
        if (q.y != NONE) add_point(&c, t->label, n, q);
      }
    }
    chart_draw(p, &c, "");
  }
}

enum { MOST_LEVELS = 100 };

/* Adds the densities of a checkpoint's layers to the heat-map's next column. */
static void layers_gather(Heat *h, const Safetensors *s, const char *path)
{
  int k, r, c;
  for (k = 0; k < s->entries; k++) {
    const Entry *e = &s->entry[k];
    const unsigned char *mask = e->data;
    size_t j, kept = 0;
    if (strncmp(e->name, "mask.", 5) != 0) continue;
    r = 0;
    while (r < h->rows && strcmp(h->row[r], e->name + 5) != 0) r++;
    if (r == NETWORKS || e->type != 'U' || e->size == 0)
      fail("%s: has more layers or other masks than any model of ticket", path);
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
  char *path = allocate(strlen(s->name) + 40, 1, "a file name"), of[NAME];
  int row;
  h->title = "Density by layer";
  h->unit = "weights that remain (%)";
  h->caption = "Brighter layers keep more of their weights; pruning by magnitude empties the large "
               "first layers, and tickets live on the small last ones.";
  h->under = "level";
  h->log = 1;
  for (row = 1; row <= t->rows; row++) {
    const char *level = table_cell(t, row, table_column(t, "level")), *digest;
    const long n = strtol(level, NULL, 10);
    Safetensors file;
    if (strcmp(table_cell(t, row, table_column(t, "branch")), "ticket") != 0) continue;
    if (n < 0 || n > 99 || h->columns == MOST_LEVELS) continue;
    sprintf(path, "%s.L%02ld.safetensors", s->name, n);
    if (!file_exists(path)) continue;
    safetensors_read(&file, path);
    digest = safetensors_value(&file, "digest");
    if (!digest || strcmp(digest, table_cell(t, row, table_column(t, "digest"))) != 0)
      fail("%s: is not the network of level %ld in %s, whose digest differs; keep tables apart "
           "from other runs' networks",
           path, n, t->path);
    layers_gather(h, &file, path);
    safetensors_free(&file);
    h->head[h->columns++] = level;
  }
  name_group(p, s->group, of, "");
  heat_draw(p, h, *of ? of : s->label);
  free(h);
  free(path);
}

/* The table that distance prints. */
static void matrix_draw(Page *p, const Sheet *t)
{
  Heat *h = allocate(1, sizeof *h, "a matrix");
  const char *what = table_value(&t->table, "what");
  const int cosine = !strcmp(what, "cosine"), angle = !strcmp(what, "angle"),
            n = t->table.columns - 1;
  char of[NAME];
  int r, c;
  if (n < 1 || t->table.rows < 1 || n > NETWORKS || t->table.rows > NETWORKS)
    fail("%s: a matrix of %d x %d is not one that a page can show (1 to %d networks)",
         t->table.path, t->table.rows, n, NETWORKS);
  h->title = "Distances";
  h->unit = cosine ? "cosine" : angle ? "2 angle / pi" : "distance";
  h->caption =
      "Each cell compares two networks; if tickets win, those of successive levels are alike (they "
      "differ little near the diagonal), while a control's differ from each other.";
  h->under = "network";
  h->rows = t->table.rows;
  h->columns = n;
  h->most = cosine || angle ? ONE : INT64_MIN; /* 1: one scale for all pages */
  for (r = 0; r < h->rows; r++) {
    h->row[r] = table_cell(&t->table, 1 + r, 0);
    for (c = 0; c < n; c++) h->value[r][c] = number_at(t, 1 + r, 1 + c);
  }
  for (c = 0; c < n; c++) h->head[c] = table_cell(&t->table, 0, 1 + c);
  sprintf(of, "%.60s, %.300s", what, t->label);
  heat_draw(p, h, of);
  free(h);
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
  static const char *const none[] = {"ticket",      "command",       "data-digest",
                                     "init-digest", "ticket-digest", "network",
                                     "checksum",    "density",       NULL};
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
  if (t->rows > 0 && s->kind != LINE_KIND && s->kind != MATRIX_KIND) rows_draw(p, s);
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
    "figure>svg{width:100%;height:auto;display:block}text{font:110px "
    "system-ui,sans-serif;fill:var(--ink)}.c{text-anchor:middle}.e{text-anchor:end}\n"
    ".l{fill:none;stroke-width:16}.o{fill:var(--paper);stroke-width:11}.b{fill:none;stroke-width:9}"
    ".h{opacity:0}.h:hover{opacity:1}.g{"
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

static void head_draw(Page *p)
{
  int k;
  print(p,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
        "name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>%s - ticket</title>\n<style>\n%r",
        p->sheet[0].name, style);
  for (k = 0; k < STYLES; k++)
    print(p, ".s%d{stroke:var(--c%d)}.m.s%d,.h.s%d{fill:var(--c%d)}\n", k, k, k, k, k);
  print(p, "</style>\n</head>\n<body>\n<h1>%s</h1>\n", p->sheet[0].label);
}

static void page_draw(Page *p)
{
  int k, kind;
  head_draw(p);
  notes(p);
  for (k = 0; k < p->sheets; k++)
    if (p->sheet[k].kind == RUN_KIND && p->sheet[k].group == k) summary(p, k);
  for (kind = 0; kind < PUBLISHED_KIND; kind++) {
    charts(p, kind);
    if (kind == STABILITY_KIND) batch_charts(p);
    if (kind == MATRIX_KIND) matrix_charts(p);
    for (k = 0; k < p->sheets; k++) {
      if (kind == RUN_KIND && p->sheet[k].kind == RUN_KIND && p->sheet[k].group == k)
        layers_draw(p, &p->sheet[k]);
      if (kind == MATRIX_KIND && p->sheet[k].kind == MATRIX_KIND) matrix_draw(p, &p->sheet[k]);
    }
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

void write_report(char *const *name, int n, const char *out, int values, Standard *is_standard)
{
  Page *p = allocate(1, sizeof *p, "the page");
  char *path, *path_of_values;
  int k;
  p->is_standard = is_standard;
  p->writes_values = values;
  for (k = 0; k < n; k++) {
    const size_t length = strlen(name[k]);
    add_sheet(p,
              join(name[k], "", length > 4 && !strcmp(name[k] + length - 4, ".tsv") ? "" : ".tsv"));
  }
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
