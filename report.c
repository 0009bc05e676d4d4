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

enum { RUN, EPOCHS, STABILITY, LINE, PROBE, MATRIX, PUBLISHED, KINDS };
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
  Output out, values; /* values: every point drawn, if writes_values */
  int writes_values;
  Table table[TABLES];
  int tables;
  Standard *is_standard; /* whether an option has a value anyway */
  const char *heading;   /* of the section whose figures come now; NULL once it is written */
  int open;              /* a section is */
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
 * text, %n millionths (number). */
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
  for (k = 0; k < p->tables; k++) most += p->table[k].group == group ? (size_t)p->table[k].rows : 0;
  s->point = allocate(most, sizeof *s->point, "a curve");
  s->published = 0;
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

/* Adds the values that tables of published ones have for a figure, in the style of the chart's own
 * line of that name if there is one. */
static void add_published(const Page *p, Chart *c)
{
  int k, row, at;
  for (k = 0; k < c->n; k++) c->series[k].style = k;
  for (k = 0; k < p->tables; k++)
    for (row = 1; p->table[k].kind == PUBLISHED && row <= p->table[k].rows; row++) {
      const Table *t = &p->table[k];
      const char *line = text_at(t, row, 1);
      Point q = {.x = number_at(t, row, 2), .y = number_at(t, row, 3), .runs = 1, .table = k};
      Series *s;
      if (strcmp(text_at(t, row, 0), c->figure->title) != 0 || q.x == NONE || q.y == NONE) continue;
      for (at = 0; at < c->n; at++)
        if (c->series[at].published && !strcmp(c->series[at].name + AFTER, line)) break;
      if (at == SERIES - 1)
        fail("%s: the figure '%s' would have %d lines or more", t->path, c->figure->title, SERIES);
      s = &c->series[at];
      if (at == c->n) {
        *s = (Series){.published = 1, .style = c->n++};
        sprintf(s->name, "%s%.200s", published, line);
        s->point = allocate((size_t)t->rows, sizeof *s->point, "published values");
        for (at = 0; &c->series[at] != s; at++)
          if (!c->series[at].published && !strcmp(c->series[at].name, line)) s->style = at;
      }
      q.key = q.x;
      q.low = number_at(t, row, 4);
      q.high = number_at(t, row, 5);
      if (q.low == NONE) q.low = q.y;
      if (q.high == NONE) q.high = q.y;
      s->point[s->points++] = q;
    }
}

/* The published value of a line at x, or next to it by less than a fiftieth; NONE if there is
 * none. */
static int64_t published_at(const Chart *c, const char *name, int64_t x)
{
  int64_t found = NONE, nearest = (x < 0 ? -x : x) / 50;
  int k;
  size_t j;
  for (k = 0; k < c->n; k++) {
    const Series *s = &c->series[k];
    for (j = 0; s->published && !strcmp(s->name + AFTER, name) && j < s->points; j++) {
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
    for (j = 0; j < s->points; j++) {
      const Point *q = &s->point[j];
      const int64_t value[5] = {q->x, q->y, q->low, q->high, published_at(c, s->name, q->x)};
      output_print(&p->values, "%s%s%s\t%s", c->figure->title, *of ? ": " : "", of, s->name);
      for (m = 0; m < (s->published ? 4 : 5); m++)
        output_print(&p->values, "\t%s", value[m] == NONE ? "-" : number(text, value[m], 0));
      output_print(&p->values, s->published ? "\t-\t-\n" : "\t%d\n", q->runs);
    }
  }
}

/* Draws what the chart has, if anything, and empties it. */
static void chart_draw(Page *p, Chart *c, const char *of)
{
  const Figure *f = c->figure;
  const char *x_name = c->x_name ? c->x_name : kinds[f->kind].x_name;
  const int density = f->kind == RUN; /* logarithmic, from dense to sparse */
  Axis x = axis_new(density || c->x_name), y = axis_new(f->log);
  char text[64];
  int left = 0, legend = 0, at = 0, begin[SERIES][2], hidden = 0, rings = 0, k;
  size_t j;
#define X(value)                                                                                   \
  (density ? RIGHT - place(&x, value, RIGHT - left) : left + place(&x, value, RIGHT - left))
#define Y(value) (BOTTOM - place(&y, value, BOTTOM - TOP))
  if (c->n == 0) return;
  add_published(p, c);
  for (k = 0; k < c->n; k++) {
    Series *s = &c->series[k];
    size_t shown = 0;
    merge(s);
    for (j = 0; j < s->points; j++) {
      const Point *q = &s->point[j];
      /* a bar may reach 0 where its mean does not */
      hidden |= !axis_shows(&x, q->x) || !axis_shows(&y, q->low);
      if (!axis_shows(&x, q->x) || !axis_shows(&y, q->y)) continue;
      axis_widen(&x, q->x);
      axis_widen(&y, q->low);
      axis_widen(&y, q->y);
      axis_widen(&y, q->high);
      rings |= q->collapsed;
      s->point[shown++] = *q;
    }
    s->points = shown;
  }
  if (p->writes_values) write_values(p, c, of);
  axis_fit(&x);
  axis_fit(&y);
  for (k = 0; k < y.ticks; k++)
    left = (int)strlen(tick(text, &y, k)) > left ? (int)strlen(text) : left;
  left = 140 + 68 * left;
  /* the legend's rows: where each name begins, and how high they are together */
  for (k = 0; k < c->n; k++) {
    const int wide = 560 + 62 * (int)strlen(c->series[k].name);
    if (at > 0 && at + wide > 4000) at = 0, legend += 170;
    begin[k][0] = at, begin[k][1] = legend + 60;
    at += wide;
  }
  legend += 170;
  figure_open(p, f->title, of, 2740 + legend);
  for (k = 0; k < c->n; k++) {
    const int ours = !c->series[k].published, style = c->series[k].style;
    if (ours)
      print(p, "<path class=\"l s%d d%d\" d=\"M%d %dh400\"/>", style % STYLES, style % DASHES,
            begin[k][0], begin[k][1]);
    print(p, "<path class=\"%r s%d\" d=\"M%d %d%r\"/>", ours ? "m" : "o", style % STYLES,
          begin[k][0] + 200, begin[k][1], marker[style % STYLES]);
    label(p, "", begin[k][0] + 450, begin[k][1] + 40, c->series[k].name, 62);
  }
  print(p, "<g transform=\"translate(0 %d)\">\n", legend);
  label(p, "", 0, 150, f->y_name, 99);
  label(p, "c", (left + RIGHT) / 2, 2640, x_name, 99);
  for (k = 0; k < y.ticks; k++) {
    print(p, "<path class=\"g\" d=\"M%d %dH%d\"/>", left, Y(y.tick[k]), RIGHT);
    label(p, "e", left - 90, Y(y.tick[k]) + 40, tick(text, &y, k), 99);
  }
  for (k = 0; k < x.ticks; k++) {
    print(p, "<path class=\"g\" d=\"M%d %dV%d\"/>", X(x.tick[k]), BOTTOM, BOTTOM + 40);
    label(p, "c", X(x.tick[k]), BOTTOM + 160, tick(text, &x, k), 99);
  }
  for (k = 0; k < c->n; k++) {
    const Series *s = &c->series[k];
    const int style = s->style % STYLES;
    if (!s->published) {
      print(p, "<polyline class=\"l s%d d%d\" points=\"", style, s->style % DASHES);
      for (j = 0; j < s->points; j++)
        print(p, "%r%d,%d", j > 0 ? " " : "", X(s->point[j].x), Y(s->point[j].y));
      print(p, "\"/>\n");
    }
    /* where points are close, they are seen only under the pointer */
    for (j = 0; j < s->points && s->points <= 1000; j++) {
      const Point *q = &s->point[j];
      const int right = X(q->x);
      if (q->high > q->low && axis_shows(&y, q->low))
        print(p, "<path class=\"b s%d\" d=\"M%d %dV%dm-25 0h50M%d %dm-25 0h50\"/>", style, right,
              Y(q->low), Y(q->high), right, Y(q->low));
      if (q->collapsed)
        print(p, "<path class=\"b s%d\" d=\"M%d %dm-64 0a64 64 0 1 0 128 0a64 64 0 1 0-128 0z\"/>",
              style, right, Y(q->y));
      print(p, "<path class=\"%r s%d\" d=\"M%d %d%r\">",
            s->published      ? "o"
            : s->points <= 40 ? "m"
                              : "h",
            style, right, Y(q->y), marker[style]);
      print(p, "<title>%s\n%r: %n\n%r: %n", s->name, x_name, q->x, f->y_name, q->y);
      if (q->runs > 1) print(p, "\nmean of %d runs, from %n to %n", q->runs, q->low, q->high);
      if (q->collapsed) print(p, "\na layer has no weight left");
      print(p, "</title></path>\n");
    }
    free(s->point);
  }
  print(p, "</g>\n");
  figure_close(p, f->caption, hidden ? left_out : "", rings ? ringed : "");
  c->n = 0;
#undef X
#undef Y
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
            x == NONE ? "not measured" : number(text, x, 0));
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
    {RUN, 0, "Test accuracy", "test accuracy (%)", 100 * INT64_C(1000000), NULL, "test_error",
     "If tickets win, their line stays high to the right, where few weights remain, while new "
     "initialisations under the same masks (reinit) fall earlier."},
    {RUN, 0, "Training accuracy", "training accuracy (%)", 100 * INT64_C(1000000), NULL,
     "train_error",
     "Where it leaves 100% the network has become too small to fit its training set; if tickets "
     "win, that happens to them last."},
    {RUN, 0, "Gap between test and training set", "test error - training error (points)", 0,
     "test_error", "train_error",
     "What was learned but does not carry over to new images. It also closes where training itself "
     "fails, which if tickets win happens to controls first."},
    {RUN, 0, "Pruning threshold", "largest magnitude pruned", 0, "threshold", NULL,
     "Magnitude up to which pruning this network removes weights; if tickets win, what they keep "
     "is large, and their line climbs above the others'."},
    {RUN, 0, "Barrier on the test set", "error barrier (points)", 0, "test_barrier", NULL,
     "Highest error on the straight line to the same branch one level denser, minus the mean of "
     "its two ends. Ends of unequal "
     "error give a barrier without any hill on the line; only the height, where it was measured, "
     "is 0 without a hill."},
    {RUN, 0, "Barrier on the training set", "error barrier (points)", 0, "train_barrier", NULL,
     "The same on the training images."},
    {RUN, 0, "Height of the barrier on the test set", "height (points)", 0, "test_height", NULL,
     "Highest error above the straight line between the errors of the same two ends: 0 where there "
     "is no hill, however unequal "
     "they are. If tickets win it stays near 0: each lies in the basin of the last."},
    {RUN, 0, "Height of the barrier on the training set", "height (points)", 0, "train_height",
     NULL, "The same on the training images."},
    {RUN, 0, "Instability on the test set", "error barrier (points)", 0, "test_instability", NULL,
     "Error barrier (above the mean of the two ends) between copies trained under different data "
     "orders; tickets tend to win "
     "where it is near 0, as the order no longer decides the outcome there."},
    {RUN, 0, "Instability on the training set", "error barrier (points)", 0, "train_instability",
     NULL, "The same on the training images."},
    {EPOCHS, 1, "Training loss", "mean loss of the epoch", 0, "train_loss", NULL,
     "If tickets win, sparse ones (in brackets: weights that remain) fall as fast as the dense "
     "one, level 0, and a control's lines move up with every level."},
    {EPOCHS, 0, "Test error", "test error (%)", 0, "test_error", NULL,
     "If tickets win, sparse networks come down as early and as far as the dense one, level 0."},
    {STABILITY, 0, "Instability on the test set", "error barrier (points)", 0, "test_instability",
     NULL,
     "Barrier between copies trained apart from that step: highest error on the line minus the "
     "mean of its two ends, which ends "
     "of unequal error raise without any hill. The first step where it is near 0 is the earliest "
     "to rewind to if tickets are to win."},
    {STABILITY, 0, "Instability on the training set", "error barrier (points)", 0,
     "train_instability", NULL, "The same on the training images."},
    {STABILITY, 0, "Height of the barrier on the test set", "height (points)", 0, "test_height",
     NULL,
     "Highest error above the straight line between the errors of the same two ends: 0 where there "
     "is no hill between the copies, "
     "however unequal they are."},
    {STABILITY, 0, "Height of the barrier on the training set", "height (points)", 0,
     "train_height", NULL, "The same on the training images."},
    {LINE, 0, "Test error on the way", "test error (%)", 0, "test_error", NULL,
     "A hill is a barrier between two basins; if tickets win, the line between those of successive "
     "levels is flat. A flat curve leads around a hill."},
    {LINE, 0, "Training error on the way", "training error (%)", 0, "train_error", NULL,
     "The same on the training images."},
    {LINE, 0, "Test loss on the way", "test loss", 0, "test_loss", NULL,
     "The loss shows hills and valleys where the error is flat."},
    {LINE, 1, "Training loss on the way", "training loss", 0, "train_loss", NULL,
     "The same on the training images, on a logarithmic axis."},
    {PROBE, 0, "Weights by value", "weights in a bin", 0, "value", NULL,
     "Surviving weights in 100 bins from lowest to highest; pruning empties the middle, and if "
     "tickets win, their humps lie further out than a control's."},
};

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

/* Whether a table's setting j is another one in a table of its kind. */
static int differs(const Page *p, const Table *t, int j)
{
  int k = 0;
  while (k < p->tables &&
         (p->table[k].kind != t->kind || !strcmp(value_of(&p->table[k], t->key[j]), t->value[j])))
    k++;
  return k < p->tables && is_setting(t->key[j]);
}

/* What sets a group of runs apart from the page's others of its kind, after `text`: its settings
 * or, where they are many, its name. */
static void name_group(const Page *p, int group, char name[NAME], const char *text)
{
  enum { LONGEST = 60 };
  const Table *t = &p->table[group];
  const size_t begin = strlen(text) < 60 ? strlen(text) : 60;
  int j;
  sprintf(name, "%.60s", text);
  for (j = 0; j < t->pairs && strlen(name) < begin + LONGEST; j++)
    if (differs(p, t, j))
      sprintf(name + strlen(name), "%s%.40s = %.60s", *name ? ", " : "", t->key[j], t->value[j]);
  if (strlen(name) >= begin + LONGEST)
    sprintf(name + begin, "%s%.150s", begin > 0 ? ", " : "", t->name);
}

/* What a path or probe is of: `straight line, A to B (table)`. */
static void name_networks(const Table *t, char name[NAME])
{
  int k, n = 0;
  sprintf(name, "%s",
          t->kind == PROBE                           ? ""
          : !strcmp(value_of(t, "command"), "curve") ? "curve, "
                                                     : "straight line, ");
  for (k = 0; k < t->pairs; k++)
    if (!strcmp(t->key[k], "network") && n++ < 2) { /* file.safetensors digest */
      const char *end = strstr(t->value[k], ".safetensors"), *slash = strrchr(t->value[k], '/'),
                 *begin = slash ? slash + 1 : t->value[k];
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
  for (k = 0; k < p->tables; k++) {
    if (p->table[k].kind != STABILITY) continue;
    if (batch && strcmp(batch, value_of(&p->table[k], "batch")) != 0) return 1;
    batch = value_of(&p->table[k], "batch");
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
    for (g = 0; g < p->tables; g++) {
      const Table *t = &p->table[g];
      const int branches = kind <= EPOCHS ? distinct(p, g, "branch", branch, SERIES) : 1;
      const int levels = kind == EPOCHS ? distinct(p, g, "level", level, LEVELS) : 1;
      if (t->kind != kind || t->group != g) continue;
      if (kind == STABILITY && t->rows == 1 && several_batches(p)) continue;
      for (b = 0; b < branches; b++) {
        if (kind > STABILITY) name_networks(t, name);
        else name_group(p, g, name, kind == STABILITY ? "" : branch[b]);
        if (kind != EPOCHS) {
          gather(&c, p, g, *name ? name : t->label, kind == RUN ? branch[b] : NULL, NULL);
          continue;
        }
        for (l = 0; l < levels; l++) {
          char of[NAME];
          if (levels > SHOWN && l * (SHOWN - 1) % (levels - 1) >= SHOWN - 1) continue;
          for (row = 1; row <= t->rows && strcmp(text_at(t, row, 0), level[l]) != 0;) row++;
          sprintf(of, "level %.20s (%.20s%%)", level[l],
                  row <= t->rows ? text_at(t, row, column(t, "density")) : "?");
          gather(&c, p, g, of, branch[b], level[l]);
        }
        chart_draw(p, &c, name);
      }
    }
    chart_draw(p, &c, "");
  }
}

/* Adds a point to a line of the chart, which is made with room for `most` if it is new. */
static void add_point(Chart *c, const char *name, size_t most, Point q)
{
  int at = 0;
  while (at < c->n && strcmp(c->series[at].name, name) != 0) at++;
  if (at == SERIES - 1)
    fail("the figure '%s' would have %d lines or more; give ticket report fewer files",
         c->figure->title, SERIES);
  if (at == c->n) {
    c->series[c->n++] = (Series){.point = allocate(most, sizeof(Point), "a curve")};
    sprintf(c->series[at].name, "%.*s", NAME - 1, name);
  }
  q.low = q.high = q.y;
  q.runs = 1;
  c->series[at].point[c->series[at].points++] = q;
}

/* The instability over the batch size, if there are several: of the first step of each table, a
 * line per density and other settings, averaged over seeds. */
static void batch_charts(Page *p)
{
  static const Figure over_batch[2] = {
      {STABILITY, 0, "Instability by batch size, training set", "error barrier (points)", 0,
       "train_instability", NULL,
       "Barrier between copies that see the data in other orders. Tickets are expected to win with "
       "the batch sizes where it is near 0."},
      {STABILITY, 0, "Instability by batch size, test set", "error barrier (points)", 0,
       "test_instability", NULL, "The same on the test images."}};
  static Chart c = {.x_name = "batch size"};
  char name[NAME];
  int f, k, j;
  for (f = 0; f < 2 && several_batches(p); f++) {
    c.figure = &over_batch[f];
    for (k = 0; k < p->tables; k++) {
      const Table *t = &p->table[k];
      const long size = strtol(value_of(t, "batch"), NULL, 10);
      Point q = {.table = k, .key = size, .x = size * ONE};
      if (t->kind != STABILITY || t->rows < 1 || size < 1 || size > 65536) continue;
      *name = 0;
      for (j = 0; j < t->pairs && strlen(name) < 200; j++)
        if (differs(p, t, j) && strcmp(t->key[j], "batch") != 0 &&
            (strcmp(t->key[j], "ticket-digest") != 0 || !strcmp(value_of(t, "density"), "-")))
          sprintf(name + strlen(name), "%s%.40s = %.60s", *name ? ", " : "", t->key[j],
                  t->value[j]);
      q.y = number_at(t, 1, column(t, over_batch[f].plus));
      if (q.y != NONE) add_point(&c, name, (size_t)p->tables, q);
    }
    chart_draw(p, &c, "");
  }
}

/* Of matrices of angles: how far each network is from the next one and from the last, which is no
 * next one: the initialisation, as a rule. */
static void matrix_charts(Page *p)
{
  static const Figure of_angles[2] = {
      {MATRIX, 0, "Angle to the next network", "2 angle / pi", 0, NULL, NULL,
       "A way along the matrix just above its diagonal: networks of successive levels that end in "
       "the same region are near each other."},
      {MATRIX, 0, "Angle to the last network", "2 angle / pi", 0, NULL, NULL,
       "The last column of the matrix, the initialisation where it was given as the last "
       "network."}};
  static Chart c;
  int f, k, row;
  for (f = 0; f < 2; f++) {
    c.figure = &of_angles[f];
    for (k = 0; k < p->tables; k++) {
      const Table *t = &p->table[k];
      if (t->kind != MATRIX || strcmp(value_of(t, "what"), "angle") != 0) continue;
      if (t->columns != t->rows + 1) continue;
      for (row = 1; row + (f == 0) < t->rows; row++) {
        Point q = {.table = k, .x = (row - 1) * ONE};
        q.key = q.x;
        q.y = number_at(t, row, f == 0 ? row + 1 : t->columns - 1);
        if (q.y != NONE) add_point(&c, t->label, (size_t)t->rows, q);
      }
    }
    chart_draw(p, &c, "");
  }
}

/* Share of each layer that survives, from the masks of the tickets that stand beside a group's
 * first run. */
static void layers_draw(Page *p, const Table *t)
{
  enum { MOST = 100 }; /* levels */
  Heat *h = allocate(1, sizeof *h, "layers");
  char *path = allocate(strlen(t->name) + 40, 1, "a file name"), of[NAME];
  int row, k, r, c;
  h->title = "Density by layer";
  h->unit = "weights that remain (%)";
  h->caption = "Brighter layers keep more of their weights; pruning by magnitude empties the large "
               "first layers, and tickets live on the small last ones.";
  h->under = "level";
  h->log = 1;
  for (row = 1; row <= t->rows && h->columns < MOST; row++) {
    const char *level = text_at(t, row, column(t, "level")), *digest;
    const long number_of = strtol(level, NULL, 10);
    Safetensors s;
    if (strcmp(text_at(t, row, column(t, "branch")), "ticket") != 0 || number_of < 0 ||
        number_of > 99)
      continue;
    sprintf(path, "%s.L%02ld.safetensors", t->name, number_of);
    if (!file_exists(path)) continue;
    safetensors_read(&s, path);
    digest = safetensors_value(&s, "digest");
    if (!digest || strcmp(digest, text_at(t, row, column(t, "digest"))) != 0)
      fail("%s: is not the network of level %ld in %s, whose digest differs; keep tables apart "
           "from other runs' networks",
           path, number_of, t->path);
    for (k = 0; k < s.entries; k++) {
      const Entry *e = &s.entry[k];
      const unsigned char *mask = e->data;
      size_t j, kept = 0;
      if (strncmp(e->name, "mask.", 5) != 0) continue;
      for (r = 0; r < h->rows && strcmp(h->row[r], e->name + 5) != 0;) r++;
      if (r == NETWORKS || e->type != 'U' || e->size == 0)
        fail("%s: has more layers or other masks than any model of ticket", path);
      if (r == h->rows) {
        for (c = 0; c < MOST; c++) h->value[r][c] = NONE;
        h->row[h->rows++] = join(e->name + 5, "", "");
      }
      for (j = 0; j < e->size; j++) kept += mask[j] != 0;
      h->value[r][h->columns] = (int64_t)((uint64_t)kept * 100 * (uint64_t)ONE / e->size);
    }
    safetensors_free(&s);
    h->head[h->columns++] = level;
  }
  name_group(p, t->group, of, "");
  heat_draw(p, h, *of ? of : t->label);
  free(h);
  free(path);
}

/* The table that distance prints. */
static void matrix_draw(Page *p, const Table *t)
{
  Heat *h = allocate(1, sizeof *h, "a matrix");
  const char *what = value_of(t, "what");
  const int cosine = !strcmp(what, "cosine"), angle = !strcmp(what, "angle"), n = t->columns - 1;
  char of[NAME];
  int r, c;
  if (n < 1 || t->rows < 1 || n > NETWORKS || t->rows > NETWORKS)
    fail("%s: a matrix of %d x %d is not one that a page can show (1 to %d networks)", t->path,
         t->rows, n, NETWORKS);
  h->title = "Distances";
  h->unit = cosine ? "cosine" : angle ? "2 angle / pi" : "distance";
  h->caption =
      "Each cell compares two networks; if tickets win, those of successive levels are alike (they "
      "differ little near the diagonal), while a control's differ from each other.";
  h->under = "network";
  h->rows = t->rows;
  h->columns = n;
  h->most = cosine || angle ? ONE : INT64_MIN; /* 1: one scale for all pages */
  for (r = 0; r < h->rows; r++) {
    h->row[r] = text_at(t, 1 + r, 0);
    for (c = 0; c < n; c++) h->value[r][c] = number_at(t, 1 + r, 1 + c);
  }
  for (c = 0; c < n; c++) h->head[c] = text_at(t, 0, 1 + c);
  sprintf(of, "%.60s, %.300s", what, t->label);
  heat_draw(p, h, of);
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
  static const char *const none[] = {"ticket",      "command",       "data-digest",
                                     "init-digest", "ticket-digest", "network",
                                     "checksum",    "density",       NULL};
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

/* What tables of published values say of themselves: their claim, source, what was changed. */
static void notes(Page *p)
{
  const Table *t = p->table;
  int k;
  for (; t < p->table + p->tables; t++)
    for (k = 0; t->kind == PUBLISHED && k < t->pairs; k++)
      print(p, "<p><strong>%s:</strong> %s</p>\n", t->key[k], t->value[k]);
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

void write_report(char *const *name, int n, const char *out, int values, Standard *is_standard)
{
  Page *p = allocate(1, sizeof *p, "the page");
  char *path, *path_of_values = NULL;
  int k, kind;
  p->is_standard = is_standard;
  for (k = 0; k < n; k++) {
    const size_t length = strlen(name[k]);
    add_table(p,
              join(name[k], "", length > 4 && !strcmp(name[k] + length - 4, ".tsv") ? "" : ".tsv"));
  }
  path = join(*out ? out : p->table[0].name, "", ".html");
  output_open(&p->out, path);
  print(p,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
        "name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>%s - ticket</title>\n<style>\n%r",
        p->table[0].name, style);
  for (k = 0; k < STYLES; k++)
    print(p, ".s%d{stroke:var(--c%d)}.m.s%d,.h.s%d{fill:var(--c%d)}\n", k, k, k, k, k);
  print(p, "</style>\n</head>\n<body>\n<h1>%s</h1>\n", p->table[0].label);
  notes(p);
  p->writes_values = values;
  if (values) {
    path_of_values = join(*out ? out : p->table[0].name, "", ".values.tsv");
    output_open(&p->values, path_of_values);
    output_print(&p->values, "chart\tline\tx\ty\tlow\thigh\tpublished\truns\n");
  }
  for (k = 0; k < p->tables; k++)
    if (p->table[k].kind == RUN && p->table[k].group == k) summary(p, k);
  for (kind = 0; kind < PUBLISHED; kind++) {
    charts(p, kind);
    if (kind == STABILITY) batch_charts(p);
    if (kind == MATRIX) matrix_charts(p);
    for (k = 0; k < p->tables; k++) {
      if (kind == RUN && p->table[k].kind == RUN && p->table[k].group == k)
        layers_draw(p, &p->table[k]);
      if (kind == MATRIX && p->table[k].kind == MATRIX) matrix_draw(p, &p->table[k]);
    }
  }
  print(p, "%r<h2>Settings, digests and the commands that repeat them</h2>\n",
        p->open ? "</div>\n" : "");
  for (k = 0; k < p->tables; k++)
    if (p->table[k].kind != EPOCHS && p->table[k].kind != PUBLISHED) settings(p, &p->table[k]);
  print(p,
        "<p>Values that are not finite or above 10<sup>10</sup> are not drawn. Written by ticket "
        "%r.</p>\n</body>\n</html>\n",
        TICKET_VERSION);
  output_close(&p->out);
  printf("%s\n", path);
  free(path);
  if (!values) return;
  output_close(&p->values);
  printf("%s\n", path_of_values);
  free(path_of_values);
}
