-- Charts as rows, pictures of them and pages.

CREATE MACRO footfall.main.chart_svg(chart, width := 720) AS system.main.chart_svg(chart, CAST(width AS BIGINT));
COMMENT ON MACRO footfall.main.chart_svg IS $$Draws one chart as an SVG picture.

The picture is text: `COPY (SELECT chart_svg(chart) FROM …) TO 'chart.svg' (FORMAT csv, HEADER false, QUOTE '')` writes a file, and a
notebook shows it as it is. It has its own colours for light and dark, and nothing in it is loaded from elsewhere.

Parameters:
- chart: STRUCT of `footfall.chart`
- width: BIGINT, 200 to 4000 pixels; marks keep the size of their letters, so that a picture for a phone is drawn for its width

Example:
WITH counts(action, n) AS (VALUES ('pv', 9), ('buy', 1))
SELECT chart_svg(chart) LIKE '<svg %</svg>' AS is_a_picture FROM footfall.chart(counts, action, n);$$;

CREATE MACRO footfall.main.chart_text(chart, width := 26) AS system.main.chart_text(chart, CAST(width AS BIGINT));
COMMENT ON MACRO footfall.main.chart_text IS $$Draws one chart with letters, for a terminal.

One text with a line for each mark: its name, its value and a bar; of lines and columns a line for each series, with blocks as high as the values; of
heat maps and grids a line for each row, with shades. The headline stands above and the caption below. `printf '%s'` or `-list` mode shows the lines as such:
`duckdb -list -noheader -c "SELECT chart_text(chart) FROM …"`.

Parameters:
- chart: STRUCT of `footfall.chart`.
- width: BIGINT, 1 to 200, the letters of the longest bar; more than 26 are cut in the boxes of the shell of DuckDB 1.4.

Example:
WITH counts(action, n) AS (VALUES ('pv', 9), ('buy', 1))
SELECT unnest(string_split(footfall.chart_text(chart), chr(10))) AS lines FROM footfall.chart(counts, action, n);$$;

CREATE MACRO footfall.main.sparkline(numbers) AS
[
    CASE WHEN seen.all_numbers IS NOT NULL THEN coalesce(array_to_string([
        substr(
            '▁▂▃▄▅▆▇█',
            -- Halves, so that the whole range of DOUBLE does not overflow.
            CAST(1 + least(coalesce(floor(8 * ((one / 2 - seen.least / 2) / nullif(seen.largest / 2 - seen.least / 2, 0))), 0), 7) AS INTEGER),
            1
        )
        FOR one IN seen.all_numbers
    ], ''), '') END
    FOR seen IN [
        {'all_numbers': found, 'least': list_min(found), 'largest': list_max(found)}
        FOR found IN [list_filter(footfall.internal.number_list('sparkline', 'numbers', numbers), lambda one: isfinite(one))]
    ]
][1];
COMMENT ON MACRO footfall.main.sparkline IS $$Draws a list of numbers as a small line of blocks, for a terminal.

One letter for each number, from the least (▁) to the largest (█); equal numbers are all low. NULL, NaN and infinite ones are left out.

Parameters:
- numbers: a list of numbers, in the order in which they are drawn.

Example:
SELECT footfall.sparkline([0.52, 0.47, 0.44, 0.43, 0.43]) AS losses;$$;

CREATE MACRO footfall.internal.is_placed(kind) AS coalesce((kind) IN ('lines', 'bubbles', 'calibration', 'curves'), false);
COMMENT ON MACRO footfall.internal.is_placed IS $$Says whether the marks of a kind of chart stand at numbers across, and not under names.

Parameters:
- kind: VARCHAR.

Example:
SELECT footfall.internal.is_placed('lines');$$;

CREATE MACRO footfall.main.chart(
    tbl, x, y, kind := 'bars', series := NULL, low := NULL, high := NULL, size := NULL, note := NULL, strong := false,
    headline := '', caption := '', x_label := '', y_label := '', format := 'number', reference := NULL, reference_label := '',
    section := 'More', place := 900, name := 'chart'
) AS TABLE
WITH
ff_marks AS (
    SELECT
        (x) AS ff_x,
        footfall.internal.number('chart', 'y', y) AS ff_y,
        CAST((series) AS VARCHAR) AS ff_series,
        footfall.internal.number('chart', 'low', low) AS ff_low,
        footfall.internal.number('chart', 'high', high) AS ff_high,
        footfall.internal.number('chart', 'size', size) AS ff_size,
        CAST((note) AS VARCHAR) AS ff_note,
        TRY_CAST((strong) AS BOOLEAN) AS ff_strong
    FROM query_table(tbl)
),
ff_asked AS (
    SELECT
        CAST((kind) AS VARCHAR) AS ff_kind, CAST((headline) AS VARCHAR) AS ff_headline, CAST((caption) AS VARCHAR) AS ff_caption,
        CAST((x_label) AS VARCHAR) AS ff_x_label, CAST((y_label) AS VARCHAR) AS ff_y_label, CAST((format) AS VARCHAR) AS ff_format,
        CAST((reference) AS DOUBLE) AS ff_reference, CAST((reference_label) AS VARCHAR) AS ff_reference_label,
        CAST((section) AS VARCHAR) AS ff_section, CAST((place) AS INTEGER) AS ff_place, CAST((name) AS VARCHAR) AS ff_name
),
ff_listed AS (
    SELECT list({
        series: ff_series,
        label: CASE WHEN footfall.internal.is_placed(ff_kind) THEN '' ELSE coalesce(CAST(ff_x AS VARCHAR), 'NULL') END,
        x: CASE WHEN footfall.internal.is_placed(ff_kind) THEN TRY_CAST(ff_x AS DOUBLE) END,
        y: ff_y, low: ff_low, high: ff_high, size: ff_size, note: ff_note, strong: ff_strong
    } ORDER BY
        CASE WHEN ff_kind IN ('bars', 'dots', 'parts', 'funnel') THEN ff_y END DESC NULLS LAST, footfall.internal.action_name(ff_series) ASC NULLS FIRST,
        footfall.internal.bytewise(ff_x) ASC NULLS LAST, ff_y ASC NULLS LAST, ff_size ASC NULLS LAST, footfall.internal.action_name(ff_note) ASC NULLS LAST
    ) AS ff_all
    FROM ff_marks, ff_asked
)
SELECT {
    place: ff_place, section: ff_section, name: ff_name, kind: ff_kind, headline: ff_headline, caption: ff_caption, x_label: ff_x_label,
    y_label: ff_y_label, format: ff_format, reference: ff_reference, reference_label: ff_reference_label, marks: coalesce(ff_all, []), sql: ''
} AS chart
FROM ff_asked, ff_listed
WHERE footfall.internal.check_option(
    coalesce(footfall.internal.option_name(ff_kind) IN (
        'bars', 'dots', 'columns', 'lines', 'heat_map', 'grid', 'funnel', 'bubbles', 'parts', 'calibration', 'curves'
    ), false),
    'chart', 'kind', ff_kind, '''bars'', ''dots'', ''columns'', ''lines'', ''heat_map'', ''grid'', ''funnel'', ''bubbles'', ''parts'', ''calibration'', ''curves'''
) AND footfall.internal.check_option(
    coalesce(footfall.internal.option_name(ff_format) IN ('number', 'percent', 'ratio'), false),
    'chart', 'format', ff_format, '''number'', ''percent'', ''ratio'''
);
COMMENT ON MACRO TABLE footfall.main.chart IS $$Makes a chart of a table: one row with one column `chart`, a STRUCT without colours or markup.

Charts can be kept in a table, deleted, compared and put in order; `footfall.page` makes a page of them, `chart_svg` one picture. Kinds of charts, and
what stands where:

- `bars`: a bar from zero for each x, `high` a hollow one behind it; `dots`: a point for each x with an interval from `low` to `high`; the largest y first;
- `columns`: an upright bar for each x, in a panel for each series; `lines`: a line through x and y for each series, and a level across for a series whose x is
  NULL; `bubbles`: shapes at x and y (on a logarithmic scale), as large as `size` says;
- `heat_map` and `grid`: a shaded cell for each x (down) and series (across), in a grid with its value or `note` written into it;
- `funnel`: bars of the users that get so far, `high` of those in any order, `note` between them; `parts`: one bar of the whole;
- `calibration`: what was predicted (x) against what happened (y, with its interval), in a panel for each series; `curves`: a line through x and y
  for each note, both from 0 to 1, in a panel for each series.

Rows whose numbers are NaN or infinite are not drawn.

Parameters:
- tbl: the relation
- x: what stands across, or the names of bars and rows
- y: numeric, the values
- kind: 'bars', 'dots', 'columns', 'lines', 'heat_map', 'grid', 'funnel', 'bubbles', 'parts', 'calibration' or 'curves'
- series: what tells lines, panels, columns or groups apart
- low: numeric, where an interval begins
- high: numeric, where it ends
- size: numeric, what a mark stands for, such as a number of customers
- note: VARCHAR, said beside a mark
- strong: BOOLEAN, the marks to be looked at
- headline: VARCHAR, what was found, as a sentence
- caption: VARCHAR, what to be careful about
- x_label: VARCHAR, what x is
- y_label: VARCHAR, what y is, with its unit
- format: 'number', 'percent' for shares of 1, 'ratio' for factors
- reference: numeric, a level to compare with
- reference_label: VARCHAR, what it is
- section: VARCHAR, the heading on a page that it stands under
- place: INTEGER, its place on a page
- name: VARCHAR, what errors call it

Example:
WITH counts(action, n) AS (VALUES ('pv', 9), ('buy', 1))
SELECT chart.kind, len(chart.marks) AS n_marks FROM footfall.chart(counts, action, n, headline := 'One view in nine ends in a purchase');$$;

CREATE MACRO footfall.internal.draw_page(charts, title) AS system.main.draw_page(charts, title);
COMMENT ON MACRO footfall.internal.draw_page IS $$Draws charts, in the order of their places, as the bytes of an HTML page; its errors name `footfall.page`.

Parameters:
- charts: a list of STRUCTs of `footfall.chart`.
- title: VARCHAR.

Example:
SELECT octet_length(footfall.internal.draw_page([{'kind': 'bars', 'marks': [{'label': 'a', 'y': 1}]}], 'One')) > 5000 AS has_bytes;$$;

CREATE MACRO footfall.main.page(charts, title := 'Shop study') AS TABLE
WITH ff_charts AS (
    SELECT list(chart ORDER BY
        chart.place ASC NULLS LAST, footfall.internal.action_name(chart.name) ASC NULLS LAST, footfall.internal.action_name(chart.headline) ASC NULLS LAST, md5(CAST(chart AS VARCHAR)) ASC) AS ff_all FROM query_table(charts)
)
SELECT footfall.internal.draw_page(coalesce(ff_all, []), coalesce(CAST((title) AS VARCHAR), '')) AS page
FROM ff_charts;
COMMENT ON MACRO TABLE footfall.main.page IS $$Makes a page of charts: one row with one BLOB, the bytes of an HTML file.

`COPY (FROM footfall.page(charts)) TO 'study.html' (FORMAT blob)` writes it; any other format would change its bytes. The file loads nothing and sends
nothing, opens anywhere, has a light and a dark theme, a picture for a desk and one for a phone of each chart, its numbers as a table, and works without JavaScript.

Parameters:
- charts: a relation with a column `chart`, as `footfall.chart` gives it; at most 24 rows
- title: VARCHAR

Example:
CREATE TABLE counts AS FROM (VALUES ('pv', 9), ('buy', 1)) AS counts(action, n);
CREATE TABLE charts AS FROM footfall.chart(counts, action, n, headline := 'Most events are views');
SELECT octet_length(page) > 5000 AS has_bytes FROM footfall.page(charts);$$;
