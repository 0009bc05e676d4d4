/* report.c - one HTML page with figures from result files: curves over density, steps and lines between networks, heat-maps,
 * tables, and the commands that repeat what is shown. No scripts, nothing from elsewhere; every figure is inline SVG.
 *
 * Not here: measuring (nn.c, prune.c, lmc.c). Numbers are whole millionths and coordinates whole tenths of a pixel, so that no
 * compiler or processor can round a page differently. Files are hostile until checked. SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ==== numbers =============================================================================== */

static const int64_t ONE = 1000000, NONE = INT64_MIN; /* 1 in millionths; not measured, not finite or above LIMIT in size */
static const int64_t LIMIT = INT64_C(10000000000000000); /* 10^10: sums of 256 of them fit */

/* A decimal number in millionths, rounded half up in size; *bad says that it is none. */
static int64_t millionths_of(const char *s, int *bad)
{
  static const uint64_t full = UINT64_C(100000000000000000);
  const int minus = *s == '-';
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
  if (*s || digits == 0) *bad = 1;
  for (; places < 6 && m < full; places++) m *= 10;
  return m > (uint64_t)LIMIT ? NONE : minus ? -(int64_t)m : (int64_t)m;
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
  n = sprintf(text, "%s%" PRIu64 ".%0*" PRIu64, x < 0 ? "-" : "", size / one, 6 + 3 * k, size % one);
  while (text[n - 1] == '0') n--;
  if (text[n - 1] == '.') n--;
  strcpy(text + n, x == 0 ? "" : unit[k]);
  return text;
}

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

/* ==== result files ========================================================================== */

enum { RUN, EPOCHS, STABILITY, LINE, PROBE, MATRIX, KINDS };
static const struct {
  const char *header, *what, *x, *x_name, *section; /* how the header begins; the column of its figures' x axis */
} kinds[KINDS] = {
  {"level\tbranch\tweights\t", "run", "density", "weights that remain (%)", "What is lost by pruning"},
  {"level\tbranch\tcopy\t", "training curves", "step", "training step", "How they train"},
  {"step\ttrain_instability\t", "instability", "step", "step from which copies differ", "When training becomes stable"},
  {"at\ttrain_loss\t", "path", "at", "place between the networks (0: first, 1: second)", "Between networks"},
  {"quantity\twhere\tvalue", "probe", "where", "value of the weight", "Inside networks"},
  {"network\t", "matrix", NULL, "network", "Distances"},
};
enum { TABLES = 256, PAIRS = 400, SERIES = 40, NETWORKS = 128 };

typedef struct {
  char *path, *name;    /* name: without .tsv */
  const char *label;    /* the name without folders */
  int kind, group;      /* group: the first table that differs in its seeds only */
  int pairs, columns, rows;
  char *key[PAIRS], *value[PAIRS]; /* of comment lines `# key = value` */
  char **head, **cell;             /* [columns], [rows][columns] */
} Table;

/* The page and all that it is made from. */
typedef struct {
  Output out;
  Table table[TABLES];
  int tables;
  const char *heading;  /* of the section whose figures come now; NULL once it is written */
  int open;             /* a section is */
} Page;

/* The first n characters of s. */
static char *copy(const char *s, size_t n)
{
  char *to = allocate(n + 1, 1, "text");
  return memcpy(to, s, n);
}

static const char *value_of(const Table *t, const char *key)
{
  int k;
  for (k = 0; k < t->pairs; k++)
    if (!strcmp(t->key[k], key)) return t->value[k];
  return "-";
}

static int column(const Table *t, const char *name)
{
  int c;
  for (c = 0; c < t->columns; c++)
    if (!strcmp(t->head[c], name)) return c;
  return -1;
}

static const char *text_at(const Table *t, int row, int c) { return c < 0 ? "-" : t->cell[(size_t)row * (size_t)t->columns + (size_t)c]; }

static int64_t number_at(const Table *t, int row, int c)
{
  int bad = 0;
  const int64_t x = millionths_of(text_at(t, row, c), &bad);
  if (bad) fail("%s: row %d: '%.40s' is not a number; the file was changed or damaged", t->path, row + 1, text_at(t, row, c));
  return x;
}

static void read_table(Table *t, const char *path)
{
  size_t size, j, lines = 1, tabs = 1;
  char *at, *end, *line;
  int c, k;
  memset(t, 0, sizeof *t);
  at = (char *)read_file(path, &size); /* kept: the cells are in it */
  if (strlen(at) != size) fail("%s: is not a table that ticket wrote: it holds a zero byte", path);
  for (j = 0; j < size; j++) lines += at[j] == '\n', tabs += at[j] == '\t';
  t->path = copy(path, strlen(path));
  t->name = copy(path, strlen(path) - 4);
  t->label = strrchr(t->name, '/') ? strrchr(t->name, '/') + 1 : t->name;
  t->cell = allocate(lines + tabs, sizeof *t->cell, "a table");
  for (; *at; at = end + 1) {
    line = at;
    end = strchr(line, '\n');
    if (!end) fail("%s: was cut short in its line '%.40s'; wait for what writes it, or write it again", path, line);
    *end = 0;
    if (end > line && end[-1] == '\r') end[-1] = 0;
    if (*line == '#') {
      char *equals = strstr(line, " = ");
      if (!equals || line[1] != ' ' || t->pairs == PAIRS) fail("%s: its line '%.40s' is not '# option = value'; no table of ticket has it", path, line);
      *equals = 0;
      t->key[t->pairs] = line + 2;
      t->value[t->pairs++] = equals + 3;
      continue;
    }
    for (k = 0; t->columns == 0 && k < KINDS && strncmp(line, kinds[k].header, strlen(kinds[k].header)) != 0;) k++;
    if (t->columns == 0 && k == KINDS)
      fail("%s: is not a table of imp, train, lmc, curve, distance, probe or stability: its header is '%.40s'", path, line);
    for (c = 0;; c++) {
      char *tab = strchr(line, '\t');
      if (tab) *tab = 0;
      t->cell[(size_t)t->rows * (size_t)t->columns + (size_t)c] = line;
      if (!tab || (t->columns > 0 && c >= t->columns)) break;
      line = tab + 1;
    }
    if (t->columns > 0 && ++c != t->columns) fail("%s: row %d does not have %d fields, as its header has; the file was damaged", path, t->rows + 1, t->columns);
    if (t->columns > 0) t->rows++;
    else {
      t->kind = k;
      t->columns = c + 1;
      t->head = t->cell;
      t->cell += t->columns;
    }
  }
  if (t->columns == 0) fail("%s: has no table in it; choose a result file of ticket", path);
}

/* Whether the results of a level depend on a setting as all the group's tables have it. */
static int is_setting(const char *key)
{
  static const char *const other[] = {"seed", "order-seed", "levels", "branches", "network"};
  size_t k;
  for (k = 0; k < sizeof other / sizeof other[0]; k++)
    if (!strcmp(key, other[k])) return 0;
  return 1;
}

static int same_settings(const Table *a, const Table *b)
{
  int k, side;
  for (side = 0; side < 2; side++)
    for (k = 0; k < (side ? b : a)->pairs; k++) {
      const char *key = (side ? b : a)->key[k];
      if (is_setting(key) && strcmp(value_of(a, key), value_of(b, key)) != 0) return 0;
    }
  return 1;
}

static int exists(const char *path)
{
  FILE *file = fopen(path, "rb");
  if (file) fclose(file);
  return file != NULL;
}

/* Reads the table of that name, and the training curves of a run. */
static void add_table(Page *p, const char *path)
{
  Table *t = &p->table[p->tables];
  char *epochs;
  int k;
  for (k = 0; k < p->tables; k++)
    if (!strcmp(p->table[k].path, path)) return;
  if (p->tables == TABLES) fail_usage("%s: more than %d tables are too many for a page", path, TABLES);
  read_table(t, path);
  t->group = p->tables++;
  for (k = 0; k < t->group && t->kind <= STABILITY; k++) {
    const Table *other = &p->table[k];
    if (other->kind != t->kind || !same_settings(other, t)) continue;
    if (!strcmp(value_of(other, "seed"), value_of(t, "seed")) && !strcmp(value_of(other, "order-seed"), value_of(t, "order-seed")))
      fail("%s: is the same run as %s, seed %.40s; give one of them", path, other->path, value_of(t, "seed"));
    t->group = other->group;
    break;
  }
  if (t->kind != RUN) return;
  epochs = join(t->name, "", ".epochs.tsv");
  if (exists(epochs)) add_table(p, epochs);
  free(epochs);
}

/* ==== the page ============================================================================== */

/* Text from a file or a name: markup is escaped, what is not printable UTF-8 becomes a question mark. */
static void put(Page *p, const char *s)
{
  while (*s) {
    const unsigned char *u = (const unsigned char *)s;
    const int more = u[0] < 0x80 ? 0 : u[0] >= 0xc2 && u[0] < 0xe0 ? 1 : u[0] >= 0xe0 && u[0] < 0xf0 ? 2 : u[0] >= 0xf0 && u[0] < 0xf5 ? 3 : -1;
    unsigned long code = more < 1 ? u[0] : u[0] & (0x3fu >> more);
    int k;
    for (k = 1; k <= more && (u[k] & 0xc0) == 0x80; k++) code = code << 6 | (u[k] & 0x3fu);
    if (k <= more || more < 0 || code < 32 || (code > 126 && code < 160) || (more == 2 && code < 0x800) || (more == 3 && code < 0x10000) ||
        code > 0x10ffff || (code >= 0xd800 && code < 0xe000) || (code & 0xfffe) == 0xfffe || (code >= 0xfdd0 && code < 0xfdf0))
      output_print(&p->out, "?"), k = 1;
    else if (strchr("&<>\"'", *s)) output_print(&p->out, "&#%lu;", code);
    else output_bytes(&p->out, s, (size_t)k);
    s += k;
  }
}

/* A label in a figure, `size` letters of it at most. */
static void label(Page *p, const char *class, int64_t x, int64_t y, const char *text, size_t size)
{
  char *shown = copy(text, strlen(text) < size ? strlen(text) : size);
  output_print(&p->out, "<text class=\"%s\" x=\"%ld\" y=\"%ld\">", class, (long)x, (long)y);
  put(p, shown);
  output_print(&p->out, "</text>\n");
  free(shown);
}

/* Before and after a figure, whose title and caption are the program's own but for `of`. Opens the section at its first figure. */
static void figure_open(Page *p, const char *title, const char *of)
{
  if (p->heading) output_print(&p->out, "%s<h2>%s</h2>\n<div class=\"grid\">\n", p->open ? "</div>\n" : "", p->heading);
  p->heading = NULL;
  p->open = 1;
  output_print(&p->out, "<figure>\n<h3>%s%s", title, *of ? ": " : "");
  put(p, of);
  output_print(&p->out, "</h3>\n");
}

static void svg_open(Page *p, int64_t height, const char *title)
{
  output_print(&p->out, "<svg viewBox=\"0 0 4000 %ld\" role=\"img\" aria-label=\"%s\">\n", (long)height, title);
}

static void figure_close(Page *p, const char *caption) { output_print(&p->out, "</svg>\n<figcaption>%s</figcaption>\n</figure>\n", caption); }

/* ==== axes ================================================================================== */

typedef struct {
  int log, ticks;
  int64_t low, high, tick[40];
} Axis;

/* The k-th round number: multiples of `step`, or on a logarithmic axis 1, 2, 5, 10 ... or, if step > 0, powers of 10^step. */
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

/* Begins and ends the axis at round numbers and finds those between. */
static void axis_fit(Axis *a, int64_t low, int64_t high, int log)
{
  int64_t step = 1, k;
  a->log = log;
  a->ticks = 0;
  if (!log && low > 0 && low <= high / 2) low = 0;
  if (low == high && !log) low -= low == 0 ? 0 : 1 + (low < 0 ? -low : low) / 10, high += high == 0 ? ONE : 0;
  if (log) {
    if (low == high) low = low / 2 + 1, high = 2 * high;
    step = high / 200 <= low ? 0 : 1 + (log2_of(high) - log2_of(low)) / (7 * 217706); /* 2^16 log2 10 */
  } else
    while (high - low > 5 * step) step *= high - low <= 10 * step ? 2 : high - low <= 25 * step ? 5 : 10;
  k = log ? 0 : low / step - (low % step < 0);
  while (log && round_number(a, step, k + 1) <= low) k++;
  do a->tick[a->ticks++] = round_number(a, step, k++);
  while (a->tick[a->ticks - 1] < high && a->ticks < 40);
  a->low = a->tick[0];
  a->high = a->tick[a->ticks - 1];
}

/* Where x is on the axis, from 0 to length; outside it at its ends. */
static int64_t place(const Axis *a, int64_t x, int64_t length)
{
  int64_t from = a->log ? log2_of(a->low) : a->low, to = a->log ? log2_of(a->high) : a->high, at = a->log ? log2_of(x) : x;
  at = (at < from ? from : at > to ? to : at) - from;
  for (to -= from; to > INT64_C(1) << 40; to /= 2) at /= 2;
  return (at * length + to / 2) / to;
}

static const char *tick(char text[64], const Axis *a, int k)
{
  const int64_t most = -a->low > a->high ? -a->low : a->high;
  return number(text, a->tick[k], a->log ? a->tick[k] : most);
}

/* ==== charts ================================================================================ */

typedef struct {
  int64_t x, y, low, high; /* y: mean over the runs that have this x */
  int runs;
} Point;

typedef struct {
  char *name;
  Point *point;
  size_t points;
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
  Series series[SERIES];
  int n;
} Chart;

/* One more series: the points of a group's tables, of that branch and level where they are not NULL. */
static void gather(Chart *c, const Page *p, int group, const char *name, const char *branch, const char *level)
{
  Series *s = &c->series[c->n];
  const Figure *f = c->figure;
  size_t most = 0;
  int k, row;
  for (k = 0; k < p->tables; k++) most += p->table[k].group == group ? (size_t)p->table[k].rows : 0;
  s->point = allocate(most, sizeof *s->point, "a curve");
  for (s->points = 0, k = 0; k < p->tables; k++) {
    const Table *t = &p->table[k];
    const int x = column(t, kinds[f->kind].x), plus = f->plus ? column(t, f->plus) : -1, minus = f->minus ? column(t, f->minus) : -1;
    const int of_branch = column(t, "branch"), of_level = column(t, "level"), of_copy = column(t, "copy");
    if (t->group != group) continue;
    for (row = 0; row < t->rows; row++) {
      Point *q = &s->point[s->points];
      int64_t less;
      if ((branch && strcmp(text_at(t, row, of_branch), branch) != 0) || (level && strcmp(text_at(t, row, of_level), level) != 0)) continue;
      if ((level && strcmp(text_at(t, row, of_copy), "0") != 0) || (f->kind == PROBE && strcmp(text_at(t, row, 0), "histogram") != 0)) continue;
      q->x = number_at(t, row, x);
      q->y = f->plus ? number_at(t, row, plus) : 0;
      less = f->minus ? number_at(t, row, minus) : 0;
      if (q->x == NONE || q->y == NONE || less == NONE) continue;
      q->low = q->high = q->y = f->base + q->y - less;
      q->runs = 1;
      s->points++;
    }
  }
  if (c->n == SERIES - 1) fail("the figure '%s' would have %d lines or more; give ticket report fewer files", f->title, SERIES);
  if (s->points == 0) free(s->point);
  else s->name = copy(name, strlen(name)), c->n++;
}

static int by_place(const void *a, const void *b)
{
  const Point *p = a, *q = b;
  return p->x != q->x ? (p->x > q->x) - (p->x < q->x) : (p->y > q->y) - (p->y < q->y);
}

/* Sorts a curve and makes one point of all that share an x. */
static void merge(Series *s)
{
  size_t j, n = 0;
  qsort(s->point, s->points, sizeof *s->point, by_place);
  for (j = 0; j < s->points; j++) {
    Point *last = n > 0 ? &s->point[n - 1] : NULL;
    if (!last || last->x != s->point[j].x) s->point[n++] = s->point[j];
    else if (last->runs < TABLES) last->y += s->point[j].y, last->high = s->point[j].high, last->runs++; /* the sum until below */
  }
  for (s->points = n, j = 0; j < n; j++) s->point[j].y /= s->point[j].runs;
}

enum { STYLES = 7, DASHES = 4, RIGHT = 3800, TOP = 260, BOTTOM = 2300 };
static const char *const marker[STYLES] = {"m-28 0a28 28 0 1 0 56 0a28 28 0 1 0-56 0z", "m-25-25h50v50h-50z", "m0-36l34 58h-68z", "m0-36l36 36-36 36-36-36z",
                                           "m0 36l34-58h-68z", "m-26-10h16v-16h20v16h16v20h-16v16h-20v-16h-16z", "m-34-14h68v28h-68z"};

/* Draws what the chart has, if anything. */
static void chart_draw(Page *p, Chart *c, const char *of)
{
  const Figure *f = c->figure;
  const char *x_name = kinds[f->kind].x_name;
  const int density = f->kind == RUN; /* logarithmic, from dense to sparse */
  Output *o = &p->out;
  Axis x = {0}, y = {0};
  int64_t least[2] = {INT64_MAX, INT64_MAX}, most[2] = {INT64_MIN, INT64_MIN};
  char a[64], b[64], d[64];
  long left = 0, legend = 0, at = 0, begin[SERIES][2];
  size_t j;
  int k;
#define X(value) (long)(density ? RIGHT - place(&x, value, RIGHT - left) : left + place(&x, value, RIGHT - left))
#define Y(value) (long)(BOTTOM - place(&y, value, BOTTOM - TOP))
  for (k = 0; k < c->n; k++) {
    merge(&c->series[k]);
    for (j = 0; j < c->series[k].points; j++) {
      const Point *q = &c->series[k].point[j];
      if (q->x < least[0] && (q->x > 0 || !density)) least[0] = q->x;
      if (q->low < least[1] && (q->low > 0 || !f->log)) least[1] = q->low;
      if (q->x > most[0]) most[0] = q->x;
      if (q->high > most[1]) most[1] = q->high;
    }
  }
  if (c->n == 0) return;
  axis_fit(&x, least[0] > most[0] ? 1 : least[0], most[0] < 1 && density ? 1 : most[0], density);
  axis_fit(&y, least[1] > most[1] ? 1 : least[1], most[1] < 1 && f->log ? 1 : most[1], f->log);
  for (k = 0; k < y.ticks; k++) left = (long)strlen(tick(a, &y, k)) > left ? (long)strlen(a) : left;
  left = 140 + 68 * left;
  figure_open(p, f->title, of);
  for (k = 0; k < c->n; k++) { /* the legend's rows: where each name begins, and how high they are together */
    const long wide = 560 + 62 * (long)strlen(c->series[k].name);
    if (at > 0 && at + wide > 4000) at = 0, legend += 170;
    begin[k][0] = at, begin[k][1] = legend + 60;
    at += wide;
  }
  legend += 170;
  svg_open(p, 2740 + legend, f->title);
  for (k = 0; k < c->n; k++) {
    output_print(o, "<path class=\"l s%d d%d\" d=\"M%ld %ldh400\"/><path class=\"m s%d\" d=\"M%ld %ld%s\"/>", k % STYLES, k % DASHES, begin[k][0], begin[k][1],
                 k % STYLES, begin[k][0] + 200, begin[k][1], marker[k % STYLES]);
    label(p, "", begin[k][0] + 450, begin[k][1] + 40, c->series[k].name, 62);
  }
  output_print(o, "<g transform=\"translate(0 %ld)\">\n", legend);
  label(p, "", 0, 150, f->y_name, 99);
  label(p, "c", (left + RIGHT) / 2, 2640, x_name, 99);
  for (k = 0; k < y.ticks; k++) {
    output_print(o, "<path class=\"g\" d=\"M%ld %ldH%d\"/>", left, Y(y.tick[k]), RIGHT);
    label(p, "e", left - 90, Y(y.tick[k]) + 40, tick(a, &y, k), 99);
  }
  for (k = 0; k < x.ticks; k++) {
    output_print(o, "<path class=\"g\" d=\"M%ld %dV%d\"/>", X(x.tick[k]), BOTTOM, BOTTOM + 40);
    label(p, "c", X(x.tick[k]), BOTTOM + 160, tick(a, &x, k), 99);
  }
  for (k = 0; k < c->n; k++) {
    const Series *s = &c->series[k];
    output_print(o, "<polyline class=\"l s%d d%d\" points=\"", k % STYLES, k % DASHES);
    for (j = 0; j < s->points; j++) output_print(o, "%s%ld,%ld", j > 0 ? " " : "", X(s->point[j].x), Y(s->point[j].y));
    output_print(o, "\"/>\n");
    for (j = 0; j < s->points && s->points <= 1000; j++) { /* where points are close, they are seen only under the pointer */
      const Point *q = &s->point[j];
      if (q->high > q->low) output_print(o, "<path class=\"b s%d\" d=\"M%ld %ldV%ldm-25 0h50M%ld %ldm-25 0h50\"/>", k % STYLES, X(q->x), Y(q->low), Y(q->high), X(q->x), Y(q->low));
      output_print(o, "<path class=\"%s s%d\" d=\"M%ld %ld%s\"><title>", s->points <= 40 ? "m" : "h", k % STYLES, X(q->x), Y(q->y), marker[k % STYLES]);
      put(p, s->name);
      output_print(o, "\n%s: %s\n%s: %s", x_name, number(a, q->x, 0), f->y_name, number(b, q->y, 0));
      if (q->runs > 1) output_print(o, "\nmean of %d runs, from %s to %s", q->runs, number(a, q->low, 0), number(d, q->high, 0));
      output_print(o, "</title></path>\n");
    }
    free(s->point);
    free(s->name);
  }
  output_print(o, "</g>\n");
  figure_close(p, f->caption);
  memset(c->series, 0, sizeof c->series);
  c->n = 0;
#undef X
#undef Y
}

/* ==== heat-maps ============================================================================= */

/* Viridis (Smith and van der Walt 2015): equal steps look equally large, also without colour; at 0, 0.1, ... 1 of the axis. */
static const unsigned char viridis[11][3] = {{68, 1, 84}, {72, 36, 117}, {65, 68, 135}, {53, 95, 141}, {42, 120, 142}, {33, 145, 140},
                                             {34, 168, 132}, {68, 191, 112}, {122, 209, 81}, {189, 223, 38}, {253, 231, 37}};

static void put_colour(Page *p, int64_t at) /* 0 to 1000 */
{
  const int64_t k = at < 1000 ? at / 100 : 9, rest = at - 100 * k;
  int channel;
  output_print(&p->out, " fill=\"#");
  for (channel = 0; channel < 3; channel++)
    output_print(&p->out, "%02x", (unsigned)((viridis[k][channel] * (100 - rest) + viridis[k + 1][channel] * rest + 50) / 100));
  output_print(&p->out, "\"");
}

/* Copies of the names without what all of them begin and end with, up to a separator. */
static char **short_names(char *const *name, int n)
{
  char **to = allocate((size_t)n, sizeof *to, "names");
  size_t begin = 0, end = 0, j;
  int k, same = n > 1;
  for (j = 0; same; j++) {
    for (k = 0; k < n && same; k++) same = name[k][j] && name[k][j] == name[0][j];
    if (same && strchr("./_", name[0][j])) begin = j + 1;
  }
  for (j = 1, same = n > 1; same; j++) {
    for (k = 0; k < n && same; k++) same = strlen(name[k]) >= begin + j && name[k][strlen(name[k]) - j] == name[0][strlen(name[0]) - j];
    if (same && strchr("./_", name[0][strlen(name[0]) - j])) end = j;
  }
  for (k = 0; k < n; k++) to[k] = copy(name[k] + begin, strlen(name[k]) - begin > end ? strlen(name[k]) - begin - end : strlen(name[k]) - begin);
  return to;
}

/* value[rows][columns], NONE where there is none; the colours reach to `most` at least. */
static void heat_draw(Page *p, const char *title, const char *of, const char *unit, const char *caption, int rows, int columns, char *const *row, char *const *head,
                      const int64_t *value, int log, int64_t most, const char *under)
{
  enum { MARGIN = 14, END = 3400 }; /* letters of a name; where the cells end */
  char **side = short_names(row, rows), **below = short_names(head, columns), a[64];
  Output *o = &p->out;
  Axis axis = {0};
  int64_t low = INT64_MAX, high = most;
  long left = 0, wide = 0, width, height, bottom;
  int r, c;
  size_t j;
  for (j = 0; j < (size_t)rows * (size_t)columns; j++) {
    if (value[j] == NONE) continue;
    if (value[j] < low && (value[j] > 0 || !log)) low = value[j];
    if (value[j] > high) high = value[j];
  }
  if (low > high) return;
  axis_fit(&axis, low, high, log);
  for (r = 0; r < rows; r++) left = (long)strlen(side[r]) > left ? (long)strlen(side[r]) : left;
  for (c = 0; c < columns; c++) wide = (long)strlen(below[c]) > wide ? (long)strlen(below[c]) : wide;
  left = 100 + 68 * (left < MARGIN ? left : MARGIN);
  wide = 100 + 68 * (wide < MARGIN ? wide : MARGIN);
  width = (END - left) / columns;
  height = width < 2800 / rows ? width : 2800 / rows;
  if (height < 1200 / rows) height = 1200 / rows;
  bottom = 200 + rows * height;
  figure_open(p, title, of);
  svg_open(p, bottom + 360, title);
  label(p, "e", 3990, 120, unit, 99);
  for (r = 0; r < rows; r++) {
    if (r % (130 / height + 1) == 0) label(p, "e", left - 50, 240 + r * height + height / 2, side[r], MARGIN);
    for (c = 0; c < columns; c++) {
      const int64_t x = value[(size_t)r * (size_t)columns + (size_t)c];
      output_print(o, "<rect x=\"%ld\" y=\"%ld\" width=\"%ld\" height=\"%ld\"", left + c * width, 200 + r * height, width, height);
      if (x == NONE) output_print(o, " class=\"none\"");
      else put_colour(p, place(&axis, x, 1000));
      output_print(o, "><title>");
      put(p, row[r]);
      output_print(o, "\n");
      put(p, head[c]);
      output_print(o, "\n%s</title></rect>\n", x == NONE ? "not measured" : number(a, x, 0));
    }
  }
  for (c = 0; c < columns; c += (int)(wide / width) + 1) label(p, "c", left + c * width + width / 2, bottom + 140, below[c], MARGIN);
  label(p, "c", (left + END) / 2, bottom + 310, under, 99);
  for (c = 0; c < 40; c++) { /* the colour bar */
    const long from = bottom - (bottom - 200) * c / 40, to = bottom - (bottom - 200) * (c + 1) / 40;
    output_print(o, "<rect x=\"3480\" y=\"%ld\" width=\"100\" height=\"%ld\"", to, from - to);
    put_colour(p, 1000 * c / 39);
    output_print(o, "/>\n");
  }
  for (c = 0; c < axis.ticks; c++) label(p, "", 3620, bottom + 40 - place(&axis, axis.tick[c], bottom - 200), tick(a, &axis, c), 99);
  figure_close(p, caption);
  for (r = 0; r < rows; r++) free(side[r]);
  for (c = 0; c < columns; c++) free(below[c]);
  free(side);
  free(below);
}

/* ==== what is drawn of which table ========================================================== */

static const Figure figures[] = {
  {RUN, 0, "Test accuracy", "test accuracy (%)", 100 * INT64_C(1000000), NULL, "test_error",
   "If tickets win, their line stays high to the right, where few weights remain, while new initialisations under the same masks (reinit) fall earlier."},
  {RUN, 0, "Training accuracy", "training accuracy (%)", 100 * INT64_C(1000000), NULL, "train_error",
   "Where it leaves 100% the network has become too small to fit its training set; if tickets win, that happens to them last."},
  {RUN, 0, "Gap between test and training set", "test error - training error (points)", 0, "test_error", "train_error",
   "What was learned but does not carry over to new images. It also closes where training itself fails, which if tickets win happens to controls first."},
  {RUN, 0, "Pruning threshold", "largest magnitude pruned", 0, "threshold", NULL,
   "Magnitude up to which pruning this network removes weights; if tickets win, what they keep is large, and their line climbs above the others'."},
  {RUN, 0, "Barrier on the test set", "error barrier (points)", 0, "test_barrier", NULL,
   "Highest error on the straight line to the network one level denser, minus the mean of its ends; if tickets win it stays near 0: each lies in the basin of the last."},
  {RUN, 0, "Barrier on the training set", "error barrier (points)", 0, "train_barrier", NULL, "The same on the training images."},
  {RUN, 0, "Instability on the test set", "error barrier (points)", 0, "test_instability", NULL,
   "Error barrier between copies trained under different data orders; tickets tend to win where it is near 0, as the order no longer decides the outcome there."},
  {RUN, 0, "Instability on the training set", "error barrier (points)", 0, "train_instability", NULL, "The same on the training images."},
  {EPOCHS, 1, "Training loss", "mean loss of the epoch", 0, "train_loss", NULL,
   "If tickets win, sparse ones (in brackets: weights that remain) fall as fast as the dense one, level 0, and a control's lines move up with every level."},
  {EPOCHS, 0, "Test error", "test error (%)", 0, "test_error", NULL,
   "If tickets win, sparse networks come down as early and as far as the dense one, level 0."},
  {STABILITY, 0, "Instability on the test set", "error barrier (points)", 0, "test_instability", NULL,
   "Barrier between copies trained apart from that step; the first step where it is near 0 is the earliest to rewind to if tickets are to win."},
  {STABILITY, 0, "Instability on the training set", "error barrier (points)", 0, "train_instability", NULL, "The same on the training images."},
  {LINE, 0, "Test error on the way", "test error (%)", 0, "test_error", NULL,
   "A hill is a barrier between two basins; if tickets win, the line between those of successive levels is flat. A flat curve leads around a hill."},
  {LINE, 0, "Training error on the way", "training error (%)", 0, "train_error", NULL, "The same on the training images."},
  {LINE, 0, "Test loss on the way", "test loss", 0, "test_loss", NULL, "The loss shows hills and valleys where the error is flat."},
  {LINE, 1, "Training loss on the way", "training loss", 0, "train_loss", NULL, "The same on the training images, on a logarithmic axis."},
  {PROBE, 0, "Weights by value", "weights in a bin", 0, "value", NULL,
   "Surviving weights in 100 bins from lowest to highest; pruning empties the middle, and if tickets win, their humps lie further out than a control's."},
};

/* Distinct texts of a column in a group, in order; `most` at most. */
static int distinct(const Page *p, int group, const char *name, const char **found, int most)
{
  int k, row, n = 0, f;
  for (k = 0; k < p->tables; k++) {
    const int c = column(&p->table[k], name);
    for (row = 0; row < p->table[k].rows && p->table[k].group == group; row++) {
      for (f = n - 1; f >= 0 && strcmp(found[f], text_at(&p->table[k], row, c)) != 0;) f--;
      if (f < 0 && n < most) found[n++] = text_at(&p->table[k], row, c);
    }
  }
  return n;
}

/* What sets a group of runs apart from the page's others of its kind, after `text`: its settings or, where they are many, its name. */
static void name_group(const Page *p, int group, char name[400], const char *text)
{
  enum { LONGEST = 60 };
  const Table *t = &p->table[group];
  const size_t begin = strlen(text) < 60 ? strlen(text) : 60;
  int j, k, differs;
  sprintf(name, "%.60s", text);
  for (j = 0; j < t->pairs && strlen(name) < begin + LONGEST; j++) {
    for (differs = k = 0; k < p->tables; k++) differs |= p->table[k].kind == t->kind && strcmp(value_of(&p->table[k], t->key[j]), t->value[j]) != 0;
    if (differs && is_setting(t->key[j])) sprintf(name + strlen(name), "%s%.40s = %.60s", *name ? ", " : "", t->key[j], t->value[j]);
  }
  if (strlen(name) >= begin + LONGEST) sprintf(name + begin, "%s%.150s", begin > 0 ? ", " : "", t->name);
}

/* What a path or probe is of: `straight line, A to B (table)`. */
static void name_networks(const Table *t, char name[400])
{
  int k, n = 0;
  sprintf(name, "%s", t->kind == PROBE ? "" : !strcmp(value_of(t, "command"), "curve") ? "curve, " : "straight line, ");
  for (k = 0; k < t->pairs; k++)
    if (!strcmp(t->key[k], "network") && n++ < 2) { /* file.safetensors digest */
      const char *end = strstr(t->value[k], ".safetensors"), *slash = strrchr(t->value[k], '/'), *begin = slash ? slash + 1 : t->value[k];
      sprintf(name + strlen(name), "%s%.*s", n > 1 ? " to " : "", end && end > begin && end - begin < 80 ? (int)(end - begin) : 16, begin);
    }
  sprintf(name + strlen(name), " (%.150s)", t->label);
}

/* The charts of a kind: a series per group of runs and branch, or per table; of training curves a chart per group and branch
 * with up to SHOWN levels, evenly from the first to the last. */
static void charts(Page *p, int kind)
{
  enum { SHOWN = 6, LEVELS = 100 };
  static Chart c;
  const char *branch[SERIES], *level[LEVELS];
  char name[400];
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
      for (b = 0; b < branches; b++) {
        for (l = 0; l < levels; l++) {
          if (levels > SHOWN && l * (SHOWN - 1) % (levels - 1) >= SHOWN - 1) continue;
          if (kind <= STABILITY) name_group(p, g, name, kind == RUN ? branch[b] : "");
          else name_networks(t, name);
          if (kind == EPOCHS) {
            for (row = 0; row < t->rows && strcmp(text_at(t, row, 0), level[l]) != 0;) row++;
            sprintf(name, "level %.20s (%.20s%%)", level[l], row < t->rows ? text_at(t, row, column(t, "density")) : "?");
          }
          gather(&c, p, g, *name ? name : t->label, kind <= EPOCHS ? branch[b] : NULL, kind == EPOCHS ? level[l] : NULL);
        }
        if (kind != EPOCHS) continue;
        name_group(p, g, name, branch[b]);
        chart_draw(p, &c, name);
      }
    }
    chart_draw(p, &c, "");
  }
}

/* Share of each layer that survives, from the masks of the tickets that stand beside a group's first run. */
static void layers_draw(Page *p, const Table *t)
{
  enum { MOST = 100 };
  char *path = allocate(strlen(t->name) + 40, 1, "a file name"), *level[MOST], of[400], *layer[NETWORKS];
  int64_t *value = allocate((size_t)NETWORKS * MOST, sizeof *value, "layers"), *packed;
  int levels = 0, layers = 0, row, k, r, c;
  for (row = 0; row < t->rows && levels < MOST; row++) {
    const long number_of = strtol(text_at(t, row, column(t, "level")), NULL, 10);
    const char *digest;
    Safetensors s;
    if (strcmp(text_at(t, row, column(t, "branch")), "ticket") != 0 || number_of < 0 || number_of > 99) continue;
    sprintf(path, "%s.L%02ld.safetensors", t->name, number_of);
    if (!exists(path)) continue;
    safetensors_read(&s, path);
    digest = safetensors_value(&s, "digest");
    if (!digest || strcmp(digest, text_at(t, row, column(t, "digest"))) != 0)
      fail("%s: is not the network of level %ld in %s, whose digest differs; keep tables apart from other runs' networks", path, number_of, t->path);
    for (k = 0; k < s.entries; k++)
      if (!strncmp(s.entry[k].name, "mask.", 5)) {
        size_t j, kept = 0;
        for (r = 0; r < layers && strcmp(layer[r], s.entry[k].name + 5) != 0;) r++;
        if (r == NETWORKS || s.entry[k].type != 'U' || s.entry[k].size == 0) fail("%s: has more layers or other masks than any model of ticket", path);
        if (r == layers) layer[layers++] = copy(s.entry[k].name + 5, strlen(s.entry[k].name + 5));
        for (j = 0; j < s.entry[k].size; j++) kept += ((unsigned char *)s.entry[k].data)[j] != 0;
        value[r * MOST + levels] = 1 + (int64_t)((uint64_t)kept * 100 * (uint64_t)ONE / s.entry[k].size); /* 0: no such layer */
      }
    safetensors_free(&s);
    level[levels++] = copy(text_at(t, row, column(t, "level")), strlen(text_at(t, row, column(t, "level"))));
  }
  packed = allocate((size_t)(layers * levels), sizeof *packed, "layers");
  for (r = 0; r < layers; r++)
    for (c = 0; c < levels; c++) packed[r * levels + c] = value[r * MOST + c] == 0 ? NONE : value[r * MOST + c] - 1;
  name_group(p, (int)(t - p->table), of, "");
  if (layers > 0 && levels > 0)
    heat_draw(p, "Density by layer", *of ? of : t->label, "weights that remain (%)",
              "Brighter layers keep more of their weights; pruning by magnitude empties the large first layers, and tickets live on the small last ones.",
              layers, levels, layer, level, packed, 1, 0, "level");
  while (layers > 0) free(layer[--layers]);
  while (levels > 0) free(level[--levels]);
  free(value);
  free(packed);
  free(path);
}

static void matrix_draw(Page *p, const Table *t)
{
  char **row, **head, of[400];
  int64_t *value;
  const int n = t->columns - 1;
  const int bounded = !strcmp(value_of(t, "what"), "cosine") || !strcmp(value_of(t, "what"), "angle"); /* to 1: one scale for all pages */
  int r, c;
  if (n < 1 || t->rows < 1 || n > NETWORKS || t->rows > NETWORKS) fail("%s: a matrix of %d x %d is not one that a page can show (1 to %d networks)", t->path, t->rows, n, NETWORKS);
  row = allocate((size_t)t->rows, sizeof *row, "names");
  head = allocate((size_t)n, sizeof *head, "names");
  value = allocate((size_t)t->rows * (size_t)n, sizeof *value, "a matrix");
  for (r = 0; r < t->rows; r++) {
    row[r] = t->cell[r * t->columns];
    for (c = 0; c < n; c++) {
      head[c] = t->head[c + 1];
      value[r * n + c] = number_at(t, r, c + 1);
    }
  }
  sprintf(of, "%.60s, %.300s", value_of(t, "what"), t->label);
  heat_draw(p, "Distances", of, !strcmp(value_of(t, "what"), "cosine") ? "cosine" : !strcmp(value_of(t, "what"), "angle") ? "2 angle / pi" : "distance",
            "Each cell compares two networks; if tickets win, those of successive levels are alike (they differ little near the diagonal), while a control's differ from each other.",
            t->rows, n, row, head, value, 0, bounded ? ONE : INT64_MIN, "network");
  free(row);
  free(head);
  free(value);
}

/* ==== settings, digests, commands =========================================================== */

/* In quotes if a shell would not take it as it is. */
static void put_word(Page *p, const char *s)
{
  const int plain = *s && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+=:,/%@") == strlen(s);
  output_print(&p->out, plain ? " " : " '");
  for (;;) {
    const size_t n = strcspn(s, "'");
    char *part = copy(s, n);
    put(p, part);
    free(part);
    if (!s[n]) break;
    output_print(&p->out, "'\\''");
    s += n + 1;
  }
  if (!plain) output_print(&p->out, "'");
}

static void settings(Page *p, const Table *t)
{
  static const char *const none[] = {"ticket", "command", "data-digest", "init-digest", "ticket-digest", "network"};
  const char *command = value_of(t, "command"), *data = value_of(t, "data");
  const int trains = t->kind <= STABILITY;
  int k, row, c;
  size_t j;
  output_print(&p->out, "<h3>");
  put(p, t->path);
  output_print(&p->out, " (%s)</h3>\n<p class=\"kv\">", kinds[t->kind].what);
  for (k = 0; k < t->pairs; k++) {
    output_print(&p->out, "<span>");
    put(p, t->key[k]);
    output_print(&p->out, " = ");
    put(p, t->value[k]);
    output_print(&p->out, "</span>\n");
  }
  output_print(&p->out, "</p>\n<pre>ticket");
  put_word(p, command);
  for (k = 0; k < t->pairs; k++) /* a network is `file digest` */
    if (!strcmp(t->key[k], "network")) {
      const char *space = strrchr(t->value[k], ' ');
      char *file = copy(t->value[k], space ? (size_t)(space - t->value[k]) : strlen(t->value[k]));
      put_word(p, file);
      free(file);
    }
  for (k = 0; k < t->pairs && strchr(t->key[k], '_') == NULL; k++) {
    for (j = 0; j < sizeof none / sizeof none[0] && strcmp(none[j], t->key[k]) != 0;) j++;
    if (j < sizeof none / sizeof none[0] || !strcmp(t->value[k], "-") || (!trains && !strcmp(t->key[k], "model"))) continue;
    if (!strcmp(t->value[k], "off") && !strcmp(t->key[k], "nesterov")) continue;
    output_print(&p->out, " --");
    put(p, t->key[k]);
    if (!strcmp(t->key[k], "nesterov")) continue;
    put_word(p, t->value[k]);
    if (t->value[k] == data && strncmp(data, "synth", 5) != 0) output_print(&p->out, ":DIR");
  }
  if (strcmp(value_of(t, "init-digest"), "-") != 0) output_print(&p->out, " --init FILE");
  if (strcmp(value_of(t, "ticket-digest"), "-") != 0) output_print(&p->out, " --ticket FILE");
  output_print(&p->out, t->kind <= EPOCHS ? " --out" : " &gt;");
  put_word(p, t->kind <= EPOCHS ? t->name : t->path);
  output_print(&p->out, "</pre>\n");
  if (t->rows == 0 || t->kind == LINE || t->kind == MATRIX) return;
  output_print(&p->out, "<div class=\"wide\"><table>\n<tr>");
  for (row = -1; row < t->rows; row++) {
    if (row >= 0 && t->kind == PROBE && !strcmp(text_at(t, row, 0), "histogram")) continue;
    if (row >= 0) output_print(&p->out, "</tr>\n<tr>");
    for (c = 0; c < t->columns; c++) {
      for (k = 0; k < t->rows && k < 200 && !strcmp(text_at(t, k, c), "-");) k++;
      if (k == t->rows) continue; /* nothing was measured */
      output_print(&p->out, row < 0 ? "<th>" : "<td>");
      put(p, row < 0 ? t->head[c] : text_at(t, row, c));
      output_print(&p->out, row < 0 ? "</th>" : "</td>");
    }
  }
  output_print(&p->out, "</tr>\n</table></div>\n");
}

/* Networks that a run will have. */
static int expected_rows(const Table *t)
{
  const int train = !strcmp(value_of(t, "command"), "train"), one_shot = strcmp(value_of(t, "one-shot"), "-") != 0;
  const long levels = train ? 1 : one_shot ? 2 : strtol(value_of(t, "levels"), NULL, 10);
  const char *at = value_of(t, "branches");
  int n = levels > 0 && levels < 100 ? (int)levels : 0, rows = n;
  for (; strcmp(at, "-") != 0 && *at; at += strcspn(at, ","), at += *at == ',')
    rows += !strncmp(at, "shuffle", 7) || !strncmp(at, "random", 6) ? n - 1 : n; /* those begin at level 1 */
  return rows;
}

/* What was run how often, and what is missing. */
static void summary(Page *p, int group)
{
  const Table *t = &p->table[group];
  char name[400];
  int k, runs = 0;
  name_group(p, group, name, "");
  output_print(&p->out, "<p>");
  put(p, name);
  output_print(&p->out, *name ? ": " : "");
  put(p, value_of(t, "model"));
  output_print(&p->out, " on ");
  put(p, value_of(t, "data"));
  for (k = 0; k < p->tables; k++)
    if (p->table[k].group == group) output_print(&p->out, runs++ ? ", " : ", seed "), put(p, value_of(&p->table[k], "seed"));
  output_print(&p->out, "%s</p>\n", runs > 1 ? "; points are means over these runs, bars reach from the lowest to the highest." : ".");
  for (k = 0; k < p->tables; k++)
    if (p->table[k].group == group && p->table[k].rows < expected_rows(&p->table[k])) {
      output_print(&p->out, "<p><strong>");
      put(p, p->table[k].path);
      output_print(&p->out, " is unfinished: %d of %d networks</strong>; the command below goes on with it.</p>\n", p->table[k].rows, expected_rows(&p->table[k]));
    }
}

static const char style[] =
  ":root{color-scheme:light dark;--paper:#fff;--ink:#1a1a1a;--faint:#d8d8d8;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b0568f;--c4:#b07800;--c5:#3a9ad9;--c6:#555}\n"
  "@media(prefers-color-scheme:dark){:root{--paper:#16181c;--ink:#e6e6e6;--faint:#44484f;--c0:#56a8e8;--c1:#ff8240;--c2:#2fce9f;--c3:#e493c4;--c4:#f0b840;--c5:#9bd4ff;--c6:#b8b8b8}}\n"
  "body{background:var(--paper);color:var(--ink);font:15px/1.4 system-ui,sans-serif;max-width:1240px;margin:0 auto;padding:0 16px 40px}\n"
  "h1,h2,h3,p,span,pre,figcaption{overflow-wrap:anywhere}h1{font-size:24px}h2{font-size:20px;border-bottom:1px solid var(--faint)}h3{font-size:15px;margin:0 0 4px}\n"
  ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,370px),1fr));gap:28px}figure{margin:0;break-inside:avoid}figcaption{font-size:13px}\n"
  "figure>svg{width:100%;height:auto;display:block}text{font:110px system-ui,sans-serif;fill:var(--ink)}.c{text-anchor:middle}.e{text-anchor:end}\n"
  ".l{fill:none;stroke-width:16}.b{fill:none;stroke-width:9}.h{opacity:0}.h:hover{opacity:1}.g{stroke:var(--faint);stroke-width:8;fill:none}.none{fill:var(--faint)}rect{shape-rendering:crispEdges}\n"
  ".d1{stroke-dasharray:60 30}.d2{stroke-dasharray:18 26}.d3{stroke-dasharray:90 26 18 26}\n"
  ".kv{font-size:12px}.kv span{display:inline-block;margin-right:16px}pre{white-space:pre-wrap;font-size:12px;border:1px solid var(--faint);padding:6px}\n"
  ".wide{overflow-x:auto;margin-bottom:24px}table{border-collapse:collapse;font:11px/1.3 ui-monospace,monospace}td,th{padding:1px 8px;text-align:right;border-bottom:1px solid var(--faint)}\n"
  "@media print{:root{--paper:#fff;--ink:#000;--faint:#ccc;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b0568f;--c4:#b07800;--c5:#3a9ad9;--c6:#555}"
  "body{padding:0}.grid{grid-template-columns:1fr 1fr}.wide{overflow:visible}table{font-size:7px}}\n";

void write_report(char *const *name, int n, const char *out)
{
  Page *p = allocate(1, sizeof *p, "the page");
  char *path;
  int k, kind;
  for (k = 0; k < n; k++) {
    const size_t length = strlen(name[k]);
    path = join(name[k], "", length > 4 && !strcmp(name[k] + length - 4, ".tsv") ? "" : ".tsv");
    add_table(p, path);
    free(path);
  }
  if (!*out) out = p->table[0].name;
  path = join(out, "", ".html");
  output_open(&p->out, path);
  output_print(&p->out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
  put(p, p->table[0].name);
  output_print(&p->out, " - ticket</title>\n<style>\n%s", style);
  for (k = 0; k < STYLES; k++) output_print(&p->out, ".s%d{stroke:var(--c%d)}.m.s%d,.h.s%d{fill:var(--c%d)}\n", k, k, k, k, k);
  output_print(&p->out, "</style>\n</head>\n<body>\n<h1>");
  put(p, p->table[0].label);
  output_print(&p->out, "</h1>\n");
  for (k = 0; k < p->tables; k++)
    if (p->table[k].kind == RUN && p->table[k].group == k) summary(p, k);
  for (kind = 0; kind < KINDS; kind++) {
    charts(p, kind);
    for (k = 0; k < p->tables; k++) {
      if (kind == RUN && p->table[k].kind == RUN && p->table[k].group == k) layers_draw(p, &p->table[k]);
      if (kind == MATRIX && p->table[k].kind == MATRIX) matrix_draw(p, &p->table[k]);
    }
  }
  output_print(&p->out, "%s<h2>Settings, digests and the commands that repeat them</h2>\n", p->open ? "</div>\n" : "");
  for (k = 0; k < p->tables; k++)
    if (p->table[k].kind != EPOCHS) settings(p, &p->table[k]);
  output_print(&p->out, "<p>Values that are not finite or above 10<sup>10</sup> are not drawn. Written by ticket %s.</p>\n</body>\n</html>\n", TICKET_VERSION);
  output_close(&p->out);
  printf("%s\n", path);
  free(path);
}
