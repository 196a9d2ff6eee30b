-- About the extension itself.

CREATE MACRO footfall.main.footfall_version() AS system.main.footfall_version();

COMMENT ON MACRO footfall.main.footfall_version IS $$Gives the version of the extension.

Parameters:
none

Example:
SELECT footfall_version() SIMILAR TO '[0-9]+\.[0-9]+\.[0-9]+' AS is_a_version;$$;

CREATE MACRO footfall.main.footfall_devices() AS system.main.footfall_devices();

COMMENT ON MACRO footfall.main.footfall_devices IS $$Lists where networks can run here: 'cpu', and 'cuda' on a machine with an NVIDIA GPU and its driver.

Parameters:
none

Example:
SELECT footfall_devices()[1] AS first;$$;

CREATE MACRO footfall.internal.documented() AS TABLE
SELECT
    function_name AS name,
    -- Some are known without the schema as well.
    CASE
        WHEN EXISTS (FROM duckdb_functions() AS ff_global WHERE ff_global.database_name = 'system' AND ff_global.function_name = ff_ours.function_name)
        AND any_value(function_type) = 'macro'
        THEN ''
        ELSE any_value(database_name) || '.'
    END || function_name || '(' || coalesce(array_to_string(arg_max(parameters, len(parameters)), ', '), '') || ')' AS call,
    regexp_extract(any_value(comment), '^[^' || chr(10) || ']*') AS summary,
    split_part(any_value(comment), chr(10) || chr(10) || 'Example:' || chr(10), 1) AS explanation,
    split_part(any_value(comment), chr(10) || chr(10) || 'Example:' || chr(10), 2) AS example,
    min(function_oid) AS position
FROM duckdb_functions() AS ff_ours
WHERE schema_name = 'main'
AND database_name = (
    SELECT any_value(ff_version.database_name)
    FROM duckdb_functions() AS ff_version
    WHERE ff_version.function_name = 'footfall_version' AND ff_version.database_name <> 'system'
)
GROUP BY function_name;

COMMENT ON MACRO TABLE footfall.internal.documented IS $$The functions for users, in the order of the data's way.

One row each: `name`, `call` (how it is called), `summary`, the whole `explanation`, `example`, and `position` in the order.

Parameters:
none

Example:
SELECT call FROM footfall.internal.documented() WHERE name = 'footfall_version';$$;

CREATE MACRO footfall.internal.wrapped(text_value, width) AS
array_to_string([
    replace(
        rtrim(regexp_replace(paragraph, '(.{1,' || (width - 2) || '})(?: +|$)', '\1' || chr(10), 'g'), chr(10)),
        chr(10),
        CASE WHEN starts_with(paragraph, '- ') THEN chr(10) || '  ' ELSE chr(10) END
    )
    -- A line break within a paragraph is a space; chr(30) stands for one that ends it.
    FOR paragraph IN string_split(
        regexp_replace(
            replace(replace(text_value, chr(10) || chr(10), chr(30) || chr(30)), chr(10) || '- ', chr(30) || '- '),
            ' *\n *', ' ', 'g'
        ),
        chr(30)
    )
], chr(10));

COMMENT ON MACRO footfall.internal.wrapped IS $$Text in lines of so many characters at most; an item of a list goes on under its text.

Parameters:
- text_value: VARCHAR; an empty line ends a paragraph, and a line that begins with '- ' is an item.
- width: the number of characters; a word that is longer stays whole.

Example:
SELECT footfall.internal.wrapped('A text with\nseveral words.', 10) AS lines;$$;

CREATE MACRO footfall.main.help() AS TABLE (
    SELECT ff_functions.call AS function, ff_functions.summary AS summary
    FROM footfall.internal.documented() AS ff_functions
    ORDER BY ff_functions.position ASC NULLS LAST
), (name) AS TABLE (
    WITH
    ff_asked AS (SELECT CAST((name) AS VARCHAR) AS ff_name),
    ff_found AS (
        SELECT
            footfall.internal.wrapped(ff_functions.call || chr(10) || chr(10) || ff_functions.explanation, 76)
                || chr(10) || chr(10) || 'Example:' || chr(10)
                -- In an example a line break is safe where a comma and a space are.
                || regexp_replace(ff_functions.example, '(.{40,68},) +', '\1' || chr(10) || '        ', 'g') AS ff_text
        FROM footfall.internal.documented() AS ff_functions
        CROSS JOIN ff_asked
        WHERE ff_functions.name = lower(regexp_replace(ff_asked.ff_name, '^\w+\.|\(.*$', '', 'g'))
    )
    SELECT unnest(CASE
        WHEN count(*) > 0
        THEN string_split(any_value(ff_found.ff_text), chr(10))
        ELSE error(concat(
            'footfall.help: argument ''name'' is ', coalesce(footfall.internal.shown((SELECT ff_name FROM ff_asked)), 'NULL'),
            '; allowed: the name of a function, such as ''rfm''; FROM footfall.help() lists them'
        ))
    END) AS help
    FROM ff_found
);

COMMENT ON MACRO TABLE footfall.main.help IS $$Lists the functions, one line each, or shows the whole text of one.

`FROM footfall.help()` has the columns `function`, how it is called, and `summary`; `FROM footfall.help('rfm')` one column
`help` with a row for each line of the text: what the function does, its columns, its parameters, and an example. The lines fit
a terminal of 80 characters, but for some of the example's. A shell that shows only so many rows shows them all after `.maxrows 200`.

Parameters:
- name: VARCHAR, the name of a function, with or without `footfall.` before it.

Example:
FROM footfall.help('footfall_version');$$;
