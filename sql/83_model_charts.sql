-- The charts of models: how a training went, and how good a model is beside what needs none.

CREATE MACRO footfall.internal.headline_training(runs) AS
coalesce(nullif(array_to_string([
    CASE
        WHEN run['since'] IS NULL THEN run['name'] || ' does not stay below the best that needs no network'
        ELSE run['name'] || ' is below the best that needs no network from epoch ' || run['since'] || ' on'
    END FOR run IN runs
], '; '), ''), 'Nothing was trained');
COMMENT ON MACRO footfall.internal.headline_training IS $$The headline of `training_chart`.

Parameters:
- runs: a list of STRUCTs with `name` and `since`, the first epoch from which the loss stays below that of every baseline; NULL where it does not.

Example:
SELECT footfall.internal.headline_training([{'name': 'lstm', 'since': 5}, {'name': 'rnn', 'since': NULL}]) AS headline;$$;

CREATE MACRO footfall.main.training_chart(
    tbl, series := 'the network', sql := 'FROM footfall.train(histories, actions, validation := 0.2, user_id := user_id);'
) AS TABLE
WITH
ff_series AS (
    SELECT * RENAME (ff_given AS ff_name)
    FROM (SELECT footfall.internal.action_name((series)) AS ff_given, ff_result.epoch AS ff_epoch, ff_result.validation_loss AS ff_loss, ff_result.majority_loss AS ff_majority,
        ff_result.markov_loss AS ff_markov, ff_result.own_history_loss AS ff_own
        FROM query_table(tbl) AS ff_result)
),
ff_epochs AS MATERIALIZED (
    SELECT *, least(ff_majority, ff_markov, ff_own) AS ff_baseline FROM ff_series
),
ff_runs AS MATERIALIZED (
    SELECT
        ff_name,
        coalesce(max(ff_epoch) FILTER (ff_loss >= ff_baseline), 0) + 1 AS ff_since,
        max(ff_epoch) AS ff_last,
        arg_min(ff_epoch, (ff_loss, ff_epoch)) AS ff_best,
        min(ff_loss) AS ff_least,
        arg_max(ff_loss, ff_epoch) AS ff_final
    FROM ff_epochs
    WHERE ff_loss IS NOT NULL
    GROUP BY ff_name
),
ff_places AS (
    SELECT 1 AS ff_place, ff_epochs.ff_name AS ff_group, ff_epoch AS ff_x, ff_loss AS ff_y, ff_epoch = ff_best AS ff_strong
    FROM ff_epochs
    JOIN ff_runs ON ff_runs.ff_name = ff_epochs.ff_name
    UNION ALL
    SELECT 2, ff_level.ff_group, NULL, ff_level.ff_y, false
    FROM (
        SELECT unnest([
            {'ff_group': 'always the mix', 'ff_y': any_value(ff_majority)},
            {'ff_group': 'after the last one', 'ff_y': any_value(ff_markov)},
            {'ff_group': 'own history', 'ff_y': any_value(ff_own)}
        ]) AS ff_level
        FROM ff_epochs
    )
),
ff_drawn AS (
    SELECT list(footfall.internal.mark(series := ff_group, x := ff_x, y := ff_y, strong := ff_strong)
        ORDER BY ff_place ASC, ff_group ASC NULLS LAST, ff_x ASC NULLS LAST) FILTER (ff_y IS NOT NULL) AS ff_marks
    FROM (FROM ff_places ORDER BY ff_place DESC, ff_x ASC NULLS LAST, ff_group ASC NULLS LAST LIMIT 500)
)
SELECT footfall.internal.picture(
    50, 'What comes next', 'training', 'lines',
    footfall.internal.headline_training(list({'name': ff_name, 'since': CASE WHEN ff_since <= ff_last THEN ff_since END} ORDER BY ff_name ASC NULLS LAST)),
    concat_ws(' ',
        'Lower is better; the axis does not begin at zero. The large mark is the best epoch. Dashed: what needs no network, counted on the same training users and judged on the same held-back ones.',
        string_agg(
            CASE
                WHEN ff_best = ff_last AND ff_last > 1 THEN ff_name || ' still falls in its last epoch: more epochs may help.'
                WHEN ff_final > 1.01 * ff_least THEN ff_name || ' gets worse after epoch ' || ff_best || ': it learns its users by heart.'
            END, ' ' ORDER BY ff_name ASC NULLS LAST
        ),
        'The best epoch was chosen by these very users, which flatters it a little; whether a difference is more than chance is in the comparison with its errors.'
    ),
    any_value(ff_marks), x_label := 'epoch', y_label := 'log loss on held-back users, nats per action', sql := sql
) AS chart
FROM ff_drawn
LEFT JOIN ff_runs ON true;
COMMENT ON MACRO TABLE footfall.main.training_chart IS $$Draws how trainings went, beside what needs no network.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.train` gave, of one run or of several.
- series: VARCHAR, a column or expression that tells runs apart.
- sql: VARCHAR, the query that the page shows.

Example:
WITH runs(architecture, epoch, validation_loss, majority_loss, markov_loss, own_history_loss) AS (VALUES
    ('lstm', 1, 0.6, 0.62, 0.55, 0.5), ('lstm', 2, 0.48, 0.62, 0.55, 0.5))
SELECT chart.headline FROM footfall.training_chart(runs, series := architecture);$$;

CREATE MACRO footfall.internal.headline_predictors(difference, error, best, loss, best_loss) AS
CASE
    WHEN loss IS NULL THEN 'No model was judged'
    WHEN difference < -2 * error THEN printf(
        'The model beats the best that needs no network (%s): a log loss of %.4f against %.4f, %.1f standard errors apart', best, CAST(loss AS DOUBLE), CAST(best_loss AS DOUBLE), -difference / error
    )
    WHEN difference > 2 * error THEN printf('The model is worse than counting (%s): do not use it', best)
    WHEN error IS NULL THEN printf('The model has a log loss of %.4f, the best that needs no network (%s) %.4f: with so few users that says nothing', CAST(loss AS DOUBLE), best, CAST(best_loss AS DOUBLE))
    ELSE printf('The model does not beat the best that needs no network (%s): do not use it', best)
END;
COMMENT ON MACRO footfall.internal.headline_predictors IS $$The headline of `predictors_chart`.

Parameters:
- difference: DOUBLE, the log loss of the model minus that of the best baseline.
- error: DOUBLE, its standard error.
- best: VARCHAR, the best baseline.
- loss, best_loss: DOUBLE, the two log losses.

Example:
SELECT footfall.internal.headline_predictors(-0.0021, 0.0015, 'own_history', 0.4312, 0.4333) AS headline;$$;

CREATE MACRO footfall.main.predictors_chart(
    tbl, sql := 'FROM footfall.evaluate(histories, actions, (SELECT model FROM model), user_id := user_id);'
) AS TABLE
WITH
ff_rows AS MATERIALIZED (
    SELECT
        footfall.internal.action_name(ff_result.predictor) AS ff_predictor,
        ff_result.log_loss AS ff_loss,
        ff_result.difference AS ff_difference,
        ff_result.standard_error AS ff_error,
        ff_result.auc AS ff_auc,
        ff_result.accuracy AS ff_accuracy,
        ff_result.n AS ff_n
    FROM query_table(tbl) AS ff_result
),
ff_sums AS (
    SELECT
        any_value(ff_loss) FILTER (ff_predictor = 'model') AS ff_model_loss,
        any_value(ff_difference) FILTER (ff_predictor = 'model') AS ff_model_difference,
        any_value(ff_error) FILTER (ff_predictor = 'model') AS ff_model_error,
        arg_min(ff_predictor, (ff_loss, ff_predictor)) FILTER (ff_predictor <> 'model') AS ff_best,
        min(ff_loss) FILTER (ff_predictor <> 'model') AS ff_best_loss,
        any_value(ff_n) AS ff_targets,
        list(footfall.internal.mark(
            label := replace(ff_predictor, '_', ' '), y := ff_difference, low := ff_difference - 1.959963984540054 * ff_error,
            high := ff_difference + 1.959963984540054 * ff_error, note := printf('%.4f', ff_loss), strong := ff_predictor = 'model'
        ) ORDER BY ff_loss ASC NULLS LAST, ff_predictor ASC NULLS LAST) FILTER (ff_loss IS NOT NULL) AS ff_marks
    FROM ff_rows
)
SELECT footfall.internal.picture(
    51, 'What comes next', 'predictors', 'dots',
    footfall.internal.headline_predictors(ff_model_difference, ff_model_error, replace(ff_best, '_', ' '), ff_model_loss, ff_best_loss),
    concat_ws(' ',
        'Log loss less that of the best that needs no network: left of the line is better; at the right the log loss itself.',
        'Judged on ' || footfall.internal.said_count(ff_targets) || ' actions of users the model has not learned from, with 95 % intervals over users.',
        'Read with care: beating the baselines does not make a prediction useful. Ask what you would do otherwise because of it.'
    ),
    ff_marks, y_label := 'log loss minus that of the best baseline, nats per action', reference := 0,
    reference_label := 'best without a network: ' || replace(ff_best, '_', ' '), sql := sql
) AS chart
FROM ff_sums;
COMMENT ON MACRO TABLE footfall.main.predictors_chart IS $$Draws a model beside the baselines that it must beat, with errors.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.evaluate` gave.
- sql: VARCHAR, the query that the page shows.

Example:
WITH quality(predictor, log_loss, difference, standard_error, auc, accuracy, n) AS (VALUES
    ('model', 0.4312, -0.0021, 0.0015, 0.71, 0.89, 9000), ('own_history', 0.4333, 0.0, NULL, 0.70, 0.89, 9000))
SELECT chart.headline FROM footfall.predictors_chart(quality);$$;

CREATE MACRO footfall.internal.headline_auc(action, auc, error, baseline, baseline_auc) AS
CASE
    WHEN auc IS NULL THEN 'No action can be ranked'
    ELSE concat(
        'The model puts ', action, ' above another action ', footfall.internal.said_share(auc), ' of the time',
        coalesce('; ' || baseline || ' does ' || footfall.internal.said_share(baseline_auc), ''),
        CASE WHEN auc - 2 * error <= 0.5 THEN ': no better than a coin' END
    )
END;
COMMENT ON MACRO footfall.internal.headline_auc IS $$The headline of `auc_chart`.

Parameters:
- action: VARCHAR.
- auc, error: DOUBLE, the area under the ROC curve of the model, and its standard error.
- baseline: VARCHAR, what it is compared with.
- baseline_auc: DOUBLE, its area.

Example:
SELECT footfall.internal.headline_auc('buy', 0.83, 0.02, 'own history', 0.8) AS headline;$$;

CREATE MACRO footfall.main.auc_chart(
    tbl, purchase := 'buy',
    sql := 'FROM footfall.class_report(histories, actions, (SELECT model FROM model), predictor := NULL, user_id := user_id);'
) AS TABLE
WITH
ff_rows AS (
    SELECT
        footfall.internal.action_name(ff_result.predictor) AS ff_predictor,
        footfall.internal.action_name(ff_result.action) AS ff_action,
        ff_result.auc AS ff_auc,
        ff_result.auc_standard_error AS ff_error,
        ff_result.support AS ff_support
    FROM query_table(tbl) AS ff_result
),
ff_shown AS MATERIALIZED (
    SELECT * FROM ff_rows WHERE ff_predictor IN ('model', 'own_history') AND ff_auc IS NOT NULL
),
ff_asked AS (SELECT footfall.internal.action_name(purchase) AS ff_purchase),
-- The purchase, or the rarest action where there is none.
ff_said AS (
    SELECT ff_action AS ff_said_action
    FROM ff_shown, ff_asked
    ORDER BY footfall.internal.action_name(ff_action) = ff_purchase DESC NULLS LAST, ff_support ASC NULLS LAST, ff_action ASC NULLS LAST
    LIMIT 1
),
ff_two AS (
    SELECT
        any_value(ff_said_action) AS ff_action,
        any_value(ff_auc) FILTER (ff_predictor = 'model') AS ff_auc,
        any_value(ff_error) FILTER (ff_predictor = 'model') AS ff_error,
        any_value(ff_auc) FILTER (ff_predictor = 'own_history') AS ff_own
    FROM ff_shown, ff_said
    WHERE ff_action = ff_said_action
),
ff_drawn AS (
    SELECT list(footfall.internal.mark(
        label := ff_action || ': ' || replace(ff_predictor, '_', ' '), y := ff_auc, low := greatest(ff_auc - 1.959963984540054 * ff_error, 0),
        high := least(ff_auc + 1.959963984540054 * ff_error, 1), note := footfall.internal.said_count(ff_support) || ' cases', strong := ff_predictor = 'model'
    ) ORDER BY ff_support DESC NULLS LAST, ff_action ASC NULLS LAST, ff_predictor ASC) AS ff_marks
    FROM (FROM ff_shown ORDER BY ff_support DESC NULLS LAST, ff_action ASC NULLS LAST, ff_predictor ASC LIMIT 40)
)
SELECT footfall.internal.picture(
    52, 'What comes next', 'auc', 'dots',
    footfall.internal.headline_auc(ff_action, ff_auc, ff_error, CASE WHEN ff_own IS NOT NULL THEN 'the user''s own history' END, ff_own),
    'The area under the ROC curve of each action against the rest: how often a moment before this action gets a higher probability than another moment. 0.5 is chance. Intervals are over users; with few cases they are themselves uncertain.',
    ff_marks, y_label := 'area under the ROC curve', reference := 0.5, reference_label := 'chance', sql := sql
) AS chart
FROM ff_drawn
LEFT JOIN ff_two ON true;
COMMENT ON MACRO TABLE footfall.main.auc_chart IS $$Draws how well each action is told from the rest, by the model and by the user's own history.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.class_report` gave with `predictor := NULL`.
- purchase: VARCHAR, the action that the headline is about; the rarest where it is not among them.
- sql: VARCHAR, the query that the page shows.

Example:
WITH report(predictor, action, auc, auc_standard_error, support) AS (VALUES ('model', 'buy', 0.83, 0.02, 120), ('own_history', 'buy', 0.80, 0.02, 120))
SELECT chart.headline FROM footfall.auc_chart(report);$$;

CREATE MACRO footfall.internal.headline_reliability(n_right, n_bins) AS
CASE
    WHEN coalesce(n_bins, 0) = 0 THEN 'No probabilities were judged'
    WHEN n_right >= 0.8 * n_bins THEN printf('Probabilities can be taken at their word: %d of %d groups came true as often as they said', n_right, n_bins)
    ELSE printf('Probabilities are off: only %d of %d groups came true as often as they said', n_right, n_bins)
END;
COMMENT ON MACRO footfall.internal.headline_reliability IS $$The headline of `reliability_chart`.

Parameters:
- n_right: BIGINT, groups whose mean probability lies in the interval of what happened, or is off by less than a tenth.
- n_bins: BIGINT, all groups.

Example:
SELECT footfall.internal.headline_reliability(17, 20) AS headline;$$;

CREATE MACRO footfall.main.reliability_chart(
    tbl, sql := 'FROM footfall.reliability(histories, actions, (SELECT model FROM model), user_id := user_id, action := ''buy'');'
) AS TABLE
WITH
ff_rows AS (
    SELECT
        coalesce(footfall.internal.action_name(ff_result.action), 'the likeliest') AS ff_action,
        ff_result.confidence AS ff_said,
        ff_result.accuracy AS ff_came,
        ff_result.n AS ff_n,
        ff_result.bin_from AS ff_bin
    FROM query_table(tbl) AS ff_result
),
ff_bins AS MATERIALIZED (
    SELECT *, ff_said BETWEEN ff_interval['low'] AND ff_interval['high'] OR abs(ff_said - ff_came) <= 0.1 * ff_said AS ff_agrees
    FROM (SELECT *, footfall.main.wilson_interval(round(ff_came * ff_n), ff_n) AS ff_interval FROM ff_rows WHERE ff_n > 0)
)
SELECT footfall.internal.picture(
    53, 'What comes next', 'reliability', 'calibration',
    footfall.internal.headline_reliability(count(*) FILTER (ff_agrees), count(*)),
    'Predictions in groups of like probability: across, what the model said; up, what came true, with its 95 % interval. On the dashed line the two are equal. Each panel has its own scale. Another colour: groups that are off. A group is right where the line is within its interval, or where what was said is off by less than a tenth. Actions of one user are alike, so the true intervals are wider than these.',
    list(footfall.internal.mark(
        series := ff_action, x := ff_said, y := ff_came, low := ff_interval['low'], high := ff_interval['high'],
        note := footfall.internal.said_count(ff_n) || ' cases', strong := NOT ff_agrees
    ) ORDER BY ff_action = 'the likeliest' DESC, ff_action ASC, ff_bin ASC NULLS LAST),
    x_label := 'what the model said', y_label := 'what came true', format := 'percent', sql := sql
) AS chart
FROM (FROM ff_bins ORDER BY ff_n DESC, ff_action ASC, ff_bin ASC NULLS LAST LIMIT 200);
COMMENT ON MACRO TABLE footfall.main.reliability_chart IS $$Draws whether probabilities can be taken at their word, a panel for each action.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.reliability` gave; several of them, one for each action, put together with UNION ALL.
- sql: VARCHAR, the query that the page shows.

Example:
WITH bins(action, bin_from, confidence, accuracy, n) AS (VALUES ('buy', 0.0, 0.02, 0.03, 900), ('buy', 0.1, 0.13, 0.1, 90))
SELECT chart.headline FROM footfall.reliability_chart(bins);$$;

CREATE MACRO footfall.internal.headline_confusion(answer, answer_share, accuracy, constant_accuracy) AS
CASE
    WHEN answer IS NULL THEN 'Nothing was predicted'
    WHEN accuracy - constant_accuracy < 0.005 THEN concat(
        'Asked for one answer, the model says ', answer, ' ', footfall.internal.said_share(answer_share), ' of the time and is right ',
        footfall.internal.said_share(accuracy), '; always the commonest action is right as often: its knowledge, if any, is in the probabilities'
    )
    ELSE concat(
        'Asked for one answer, the model is right ', footfall.internal.said_share(accuracy), ' of the time; always the commonest action is right ',
        footfall.internal.said_share(constant_accuracy)
    )
END;
COMMENT ON MACRO footfall.internal.headline_confusion IS $$The headline of `confusion_chart`.

Parameters:
- answer: VARCHAR, the action that is predicted most.
- answer_share: DOUBLE, how often.
- accuracy: DOUBLE, how often the model is right.
- constant_accuracy: DOUBLE, how often one who always names the commonest action would be.

Example:
SELECT footfall.internal.headline_confusion('pv', 0.97, 0.894, 0.893) AS headline;$$;

CREATE MACRO footfall.main.confusion_chart(
    tbl, sql := 'FROM footfall.confusion(histories, actions, (SELECT model FROM model), user_id := user_id);'
) AS TABLE
WITH
ff_pairs AS MATERIALIZED (
    SELECT footfall.internal.action_name(ff_result.actual) AS ff_actual, footfall.internal.action_name(ff_result.predicted) AS ff_predicted, ff_result.n AS ff_n
    FROM query_table(tbl) AS ff_result
),
ff_actuals AS (SELECT ff_actual AS ff_name, sum(ff_n) AS ff_row FROM ff_pairs GROUP BY ff_actual),
ff_answers AS (SELECT ff_predicted AS ff_answer, sum(ff_n) AS ff_answered FROM ff_pairs GROUP BY ff_predicted),
-- The commonest actions, as many as have room.
ff_shown AS (FROM ff_actuals ORDER BY ff_row DESC NULLS LAST, ff_name ASC NULLS LAST LIMIT 12),
ff_drawn AS (
    SELECT list(footfall.internal.mark(
        series := ff_predicted, label := ff_actual || ' (' || footfall.internal.said_count(ff_one.ff_row) || ')', y := ff_n / nullif(ff_one.ff_row, 0), strong := ff_actual = ff_predicted
    ) ORDER BY ff_one.ff_row DESC, ff_actual ASC, ff_other.ff_row DESC, ff_predicted ASC) FILTER (ff_one.ff_row > 0) AS ff_marks
    FROM ff_pairs
    JOIN ff_shown AS ff_one ON ff_one.ff_name = ff_actual
    JOIN ff_shown AS ff_other ON ff_other.ff_name = ff_predicted
),
ff_sums AS (
    SELECT sum(ff_n) AS ff_all, sum(ff_n) FILTER (ff_actual = ff_predicted) AS ff_right FROM ff_pairs
)
SELECT footfall.internal.picture(
    54, 'What comes next', 'confusion', 'grid',
    footfall.internal.headline_confusion(
        (SELECT arg_max(ff_answer, (ff_answered, ff_answer)) FROM ff_answers WHERE ff_answered > 0),
        (SELECT max(ff_answered) FROM ff_answers) / ff_all, coalesce(ff_right, 0) / ff_all, (SELECT max(ff_row) FROM ff_actuals) / ff_all
    ),
    'Rows are what happened (how often, in brackets), columns what the model named as likeliest; a row adds up to 100 %. The framed cells are right answers.',
    CASE WHEN ff_all > 0 THEN ff_marks END, x_label := 'named as likeliest', y_label := 'share of what happened', format := 'percent', sql := sql
) AS chart
FROM ff_sums, ff_drawn;
COMMENT ON MACRO TABLE footfall.main.confusion_chart IS $$Draws what happened against what was named as likeliest.

One row with one column `chart`. Of more than twelve actions the commonest are drawn.

Parameters:
- tbl: what `footfall.confusion` gave, of one predictor.
- sql: VARCHAR, the query that the page shows.

Example:
WITH pairs(actual, predicted, n) AS (VALUES ('pv', 'pv', 90), ('pv', 'buy', 1), ('buy', 'pv', 8), ('buy', 'buy', 1))
SELECT chart.headline FROM footfall.confusion_chart(pairs);$$;
