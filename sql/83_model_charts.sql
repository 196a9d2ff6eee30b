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
ff_named AS (SELECT *, footfall.internal.action_name((series)) AS ff_run FROM query_table(tbl)),
-- The columns that a table of models, or one of epochs, does not have.
ff_filled AS (
    SELECT
        NULL AS ff_run, CAST(NULL AS INTEGER) AS epoch, CAST(NULL AS DOUBLE) AS validation_loss, CAST(NULL AS DOUBLE) AS majority_loss,
        CAST(NULL AS DOUBLE) AS markov_loss, CAST(NULL AS DOUBLE) AS own_history_loss, CAST(NULL AS BLOB) AS model
    WHERE false
    UNION ALL BY NAME
    FROM ff_named
),
ff_series AS (
    SELECT ff_all.ff_run AS ff_name, ff_all.epoch AS ff_epoch, ff_all.validation_loss AS ff_loss, ff_all.majority_loss AS ff_majority,
        ff_all.markov_loss AS ff_markov, ff_all.own_history_loss AS ff_own
    FROM ff_filled AS ff_all
    WHERE ff_all.epoch IS NOT NULL
    UNION ALL
    SELECT ff_name, ff_one['epoch'], ff_one['validation_loss'], ff_one['majority_loss'], ff_one['markov_loss'], ff_one['own_history_loss']
    FROM (
        SELECT ff_all.ff_run AS ff_name, unnest(CASE WHEN footfall.internal.check_option(
            ff_all.model IS NOT NULL, 'training_chart', 'tbl', 'a table without epochs and models', 'what footfall.train gave, or a table with a column model'
        ) THEN system.main.model_info(ff_all.model, 'training_chart', 'tbl')['history'] END) AS ff_one
        FROM ff_filled AS ff_all
        WHERE ff_all.epoch IS NULL
    )
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
- tbl: what `footfall.train` gave, of one run or of several; or a table with a column `model`, as `footfall.best_model` gives it, since a model
  remembers its epochs (those of earlier versions do not).
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

CREATE MACRO footfall.internal.headline_roc(n_actions, action, area, other_area, other) AS
CASE
    WHEN coalesce(n_actions, 0) = 0 THEN 'No action can be ranked'
    WHEN other_area IS NULL THEN concat('Best told from the rest is ', action, ': the curve has ', footfall.internal.said_share(area), ' of the panel below it')
    ELSE concat(
        'Best told from the rest is ', action, ': the curve has ', footfall.internal.said_share(area), ' of the panel below it, that of ', other, ' ',
        footfall.internal.said_share(other_area)
    )
END;
COMMENT ON MACRO footfall.internal.headline_roc IS $$The headline of `roc_chart`.

Parameters:
- n_actions: BIGINT, actions that are drawn.
- action: VARCHAR, the one with the largest area under its curve.
- area: DOUBLE, that area.
- other_area: DOUBLE, the area of the same action by another predictor.
- other: VARCHAR, what that one is called.

Example:
SELECT footfall.internal.headline_roc(4, 'buy', 0.83, 0.8, 'own history') AS headline;$$;

CREATE MACRO footfall.main.roc_chart(
    tbl, sql := 'FROM footfall.roc(histories, actions, (SELECT model FROM model), predictor := NULL, user_id := user_id);'
) AS TABLE
WITH
ff_rows AS (
    SELECT
        footfall.internal.action_name(ff_result.predictor) AS ff_predictor,
        footfall.internal.action_name(ff_result.action) AS ff_action,
        ff_result.false_positive_rate AS ff_x,
        ff_result.true_positive_rate AS ff_y,
        ff_result.threshold AS ff_threshold
    FROM query_table(tbl) AS ff_result
),
ff_points AS MATERIALIZED (
    SELECT *, row_number() OVER along AS ff_step, count(*) OVER of_curve AS ff_n, lag(ff_x) OVER along AS ff_x_before, lag(ff_y) OVER along AS ff_y_before
    FROM ff_rows
    WHERE ff_predictor IN ('model', 'own_history')
    WINDOW of_curve AS (PARTITION BY ff_predictor, ff_action),
        along AS (PARTITION BY ff_predictor, ff_action ORDER BY ff_x ASC NULLS LAST, ff_y ASC NULLS LAST)
),
-- The area of what is drawn: trapezes between the points, within a thousandth of `auc`.
ff_areas AS MATERIALIZED (
    SELECT ff_predictor, ff_action, sum((ff_x - ff_x_before) * (ff_y + ff_y_before) / 2 ORDER BY ff_x ASC NULLS LAST, ff_y ASC NULLS LAST) AS ff_area
    FROM ff_points
    GROUP BY ff_predictor, ff_action
),
ff_said AS (
    SELECT ff_action, ff_area, (
        SELECT any_value(ff_other.ff_area) FROM ff_areas AS ff_other WHERE ff_other.ff_predictor = 'own_history' AND ff_other.ff_action = ff_best.ff_action
    ) AS ff_other_area
    FROM ff_areas AS ff_best
    WHERE ff_predictor = 'model'
    ORDER BY ff_area DESC NULLS LAST, ff_action ASC NULLS LAST
    LIMIT 1
),
-- As many panels as have room; a curve has 30 points, and its ends.
ff_shown AS (
    SELECT ff_action AS ff_panel, row_number() OVER (ORDER BY max(ff_area) DESC NULLS LAST, ff_action ASC NULLS LAST) AS ff_place
    FROM ff_areas
    GROUP BY ff_action
),
ff_drawn AS (
    SELECT
        max(ff_place) AS ff_n_panels,
        count(DISTINCT ff_action) AS ff_n_actions,
        list(footfall.internal.mark(
            series := ff_action, x := ff_x, y := ff_y, note := CASE ff_predictor WHEN 'model' THEN 'the model' ELSE 'the user''s own history' END
        ) ORDER BY ff_place ASC, ff_predictor ASC, ff_step ASC) AS ff_marks
    FROM ff_points
    JOIN ff_shown ON ff_panel = ff_action
    WHERE ff_place <= 8 AND (ff_n <= 30 OR ff_step = ff_n OR ff_step % (ff_n // 30 + 1) = 1)
)
SELECT footfall.internal.picture(
    53, 'What comes next', 'roc', 'curves',
    footfall.internal.headline_roc(ff_n_actions, ff_action, ff_area, ff_other_area, 'the user''s own history'),
    'For each threshold of the probability of an action: up, the share of its cases that lie above the threshold; across, the share of all other cases that do. On the dashed line is who guesses; a curve nearer the corner above tells the action better, and its area is the AUC. Read with care: a curve says nothing of how rare the action is: at a few percent of all cases most of what lies above a threshold can be wrong.',
    CASE WHEN ff_n_actions > 0 THEN ff_marks END,
    x_label := 'other cases above the threshold', y_label := 'cases of the action above it', format := 'percent', sql := sql
) AS chart
FROM ff_drawn
LEFT JOIN ff_said ON true;
COMMENT ON MACRO TABLE footfall.main.roc_chart IS $$Draws the ROC curve of each action, of the model and of the user's own history.

One row with one column `chart`: a panel for each action, of more than eight those that are told best.

Parameters:
- tbl: what `footfall.roc` gave with `predictor := NULL`.
- sql: VARCHAR, the query that the page shows.

Example:
WITH curve(predictor, action, threshold, false_positive_rate, true_positive_rate) AS (VALUES
    ('model', 'buy', 0.01, 1.0, 1.0), ('model', 'buy', 0.2, 0.1, 0.6), ('model', 'buy', NULL, 0.0, 0.0))
SELECT chart.headline FROM footfall.roc_chart(curve);$$;

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
    54, 'What comes next', 'reliability', 'calibration',
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
    55, 'What comes next', 'confusion', 'grid',
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

CREATE MACRO footfall.internal.headline_propensity(verdict, lift, happened, base) AS
CASE
    WHEN verdict IS NULL THEN 'Nobody was judged'
    WHEN verdict LIKE 'better than %' THEN concat(
        'The tenth that the model puts first did it ', footfall.internal.said_share(happened), ' of the time, all together ', footfall.internal.said_share(base),
        coalesce(' (' || footfall.internal.said_factor(lift) || ')', ''), '; the model is ', replace(verdict, '_', ' ')
    )
    -- On a page with a network there is more than one model.
    ELSE concat('Who does it next: the model is ', replace(verdict, '_', ' '), ', do not use it')
END;
COMMENT ON MACRO footfall.internal.headline_propensity IS $$The headline of `propensity_chart`.

Parameters:
- verdict: VARCHAR, that of `footfall.propensity_report` on the model.
- lift: DOUBLE, what happened in the tenth that is first over what happened to all.
- happened: DOUBLE, the share of that tenth who did it.
- base: DOUBLE, the share of all.

Example:
SELECT footfall.internal.headline_propensity('better than own_history', 2.9, 0.34, 0.117) AS headline;$$;

CREATE MACRO footfall.main.propensity_chart(
    tbl, sql := 'FROM footfall.propensity_report(events, user_id, action, ts, (SELECT model FROM propensity_run));'
) AS TABLE
WITH
ff_rows AS (
    SELECT
        footfall.internal.action_name(ff_result.part) AS ff_part,
        footfall.internal.action_name(ff_result."group") AS ff_group,
        ff_result.users AS ff_n,
        ff_result.expected AS ff_expected,
        ff_result.happened AS ff_happened,
        ff_result.happened_low AS ff_low,
        ff_result.happened_high AS ff_high,
        ff_result.lift AS ff_lift,
        CAST(ff_result.verdict AS VARCHAR) AS ff_verdict,
        ff_result.left_out AS ff_left_out,
        ff_result.cutoff AS ff_cutoff,
        ff_result.until AS ff_until
    FROM query_table(tbl) AS ff_result
),
ff_sums AS (
    SELECT
        any_value(ff_verdict) FILTER (ff_part = 'predictor' AND ff_group = 'model') AS ff_judged,
        any_value(ff_happened) FILTER (ff_part = 'predictor' AND ff_group = 'model') AS ff_base,
        any_value(ff_n) FILTER (ff_part = 'predictor' AND ff_group = 'model') AS ff_users,
        arg_min(ff_happened, TRY_CAST(ff_group AS INTEGER)) FILTER (ff_part = 'decile') AS ff_first,
        arg_min(ff_lift, TRY_CAST(ff_group AS INTEGER)) FILTER (ff_part = 'decile') AS ff_first_lift,
        any_value(ff_left_out) AS ff_outside,
        replace(CAST(any_value(ff_cutoff) AS VARCHAR), ' 00:00:00', '') AS ff_from,
        replace(CAST(any_value(ff_until) AS VARCHAR), ' 00:00:00', '') AS ff_to,
        list(footfall.internal.mark(
            label := 'Tenth ' || ff_group, y := ff_happened, low := ff_low, high := ff_high,
            note := footfall.internal.said_count(ff_n) || ' users, ' || footfall.internal.said_share(ff_expected) || ' expected', strong := ff_low > ff_expected OR ff_high < ff_expected
        ) ORDER BY TRY_CAST(ff_group AS INTEGER) ASC NULLS LAST) FILTER (ff_part = 'decile') AS ff_marks
    FROM ff_rows
)
SELECT footfall.internal.picture(
    56, 'Who does it next', 'propensity', 'dots',
    footfall.internal.headline_propensity(ff_judged, ff_first_lift, ff_first, ff_base),
    concat_ws(' ',
        'Who did it by ' || ff_to || ', of ' || footfall.internal.said_count(ff_users) || ' users whom the model judged by what was known at ' || ff_from
            || ', with 95 % intervals. Tenth 1 are those with the highest probabilities; equal ones are together, so a tenth may be missing.',
        'Another colour: tenths whose interval does not hold what was expected.',
        CASE WHEN ff_outside > 0 THEN footfall.internal.said_count(ff_outside) || ' users without a recent event could not be judged.' END,
        'Read with care: it is one horizon, and a sale in it is in no interval; and who would have done it anyway is in the first tenth, too.'
    ),
    CASE WHEN ff_users > 0 THEN ff_marks END, y_label := 'share who did it', format := 'percent', reference := ff_base,
    reference_label := 'all: ' || footfall.internal.said_share(ff_base), sql := sql
) AS chart
FROM ff_sums;
COMMENT ON MACRO TABLE footfall.main.propensity_chart IS $$Draws what users did, by tenths of the probability that a model gave them.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.propensity_report` gave.
- sql: VARCHAR, the query that the page shows.

Example:
WITH report(part, "group", users, expected, happened, happened_low, happened_high, lift, verdict, left_out, cutoff, until) AS (VALUES
    ('predictor', 'model', 100, 0.2, 0.21, 0.14, 0.3, 2.4, 'better than count', 0, DATE '2017-12-01', DATE '2017-12-02'),
    ('decile', '1', 10, 0.5, 0.5, 0.24, 0.76, 2.4, NULL, 0, DATE '2017-12-01', DATE '2017-12-02'))
SELECT chart.headline FROM footfall.propensity_chart(report);$$;

CREATE MACRO footfall.main.propensity_calibration_chart(
    tbl, sql := 'FROM footfall.propensity_report(events, user_id, action, ts, (SELECT model FROM propensity_run));'
) AS TABLE
WITH
ff_tenths AS MATERIALIZED (
    SELECT
        TRY_CAST(ff_result."group" AS INTEGER) AS ff_tenth,
        ff_result.users AS ff_n,
        ff_result.expected AS ff_said,
        ff_result.happened AS ff_came,
        ff_result.happened_low AS ff_low,
        ff_result.happened_high AS ff_high,
        ff_said BETWEEN ff_low AND ff_high OR abs(ff_said - ff_came) <= 0.1 * ff_said AS ff_agrees
    FROM query_table(tbl) AS ff_result
    WHERE footfall.internal.action_name(ff_result.part) = 'decile' AND ff_result.users > 0
)
SELECT footfall.internal.picture(
    57, 'Who does it next', 'propensity_calibration', 'calibration',
    footfall.internal.headline_reliability(count(*) FILTER (ff_agrees), count(*)),
    'Users in tenths of their probability: across, the mean that the model said; up, the share who did it, with its 95 % interval. On the dashed line the two are equal. Another colour: tenths that are off. A tenth is right where the line is within its interval, or where what was said is off by less than a tenth.',
    list(footfall.internal.mark(
        series := 'users in tenths', x := ff_said, y := ff_came, low := ff_low, high := ff_high,
        note := concat('tenth ', ff_tenth, ', ', footfall.internal.said_count(ff_n), ' users'), strong := NOT ff_agrees
    ) ORDER BY ff_tenth ASC NULLS LAST),
    x_label := 'what the model said', y_label := 'who did it', format := 'percent', sql := sql
) AS chart
FROM ff_tenths;
COMMENT ON MACRO TABLE footfall.main.propensity_calibration_chart IS $$Draws whether the probabilities of a propensity model can be taken at their word.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.propensity_report` gave.
- sql: VARCHAR, the query that the page shows.

Example:
WITH report(part, "group", users, expected, happened, happened_low, happened_high) AS (VALUES ('decile', '1', 10, 0.5, 0.5, 0.24, 0.76))
SELECT chart.headline FROM footfall.propensity_calibration_chart(report);$$;

CREATE MACRO footfall.internal.headline_recommendations(best, rate, popular_rate, error, repeat_share) AS
CASE
    WHEN rate IS NULL THEN 'No recommendations were judged'
    WHEN popular_rate IS NULL THEN concat('The next one is on the list ', footfall.internal.said_share(rate), ' of the time by ', best)
    WHEN rate - popular_rate <= 2 * error THEN concat(
        'No way to recommend is clearly better than the popular ones, which hold the next ', footfall.internal.said_share(popular_rate), ' of the time'
    )
    ELSE concat(
        'The next one is on the list ', footfall.internal.said_share(rate), ' of the time by ', best, ', ', footfall.internal.said_share(popular_rate), ' by showing the popular ones; ',
        footfall.internal.said_share(repeat_share), ' had been there before'
    )
END;
COMMENT ON MACRO footfall.internal.headline_recommendations IS $$The headline of `recommendations_chart`.

Parameters:
- best: VARCHAR, the method that hits most often.
- rate: DOUBLE, how often.
- popular_rate: DOUBLE, how often a list of what is popular does.
- error: DOUBLE, the standard error of the difference.
- repeat_share: DOUBLE, the share of what came next that the user had before.

Example:
SELECT footfall.internal.headline_recommendations('mixture', 0.31, 0.12, 0.01, 0.45) AS headline;$$;

CREATE MACRO footfall.main.recommendations_chart(tbl, sql := 'FROM footfall.evaluate_items(histories, items, times := times);') AS TABLE
WITH
ff_rows AS (
    SELECT
        footfall.internal.action_name(ff_result.predictor) AS ff_predictor,
        ff_result.hit_rate AS ff_rate,
        ff_result.hit_rate_standard_error AS ff_error,
        ff_result.coverage AS ff_coverage,
        ff_result.n AS ff_n,
        ff_result.n_users AS ff_users,
        ff_result.repeat_share AS ff_repeats,
        ff_result.unseen_share AS ff_unseen
    FROM query_table(tbl) AS ff_result
),
ff_sums AS (
    SELECT
        arg_max(ff_predictor, (ff_rate, ff_predictor)) AS ff_best,
        max(ff_rate) AS ff_best_rate,
        arg_max(ff_error, (ff_rate, ff_predictor)) AS ff_best_error,
        any_value(ff_rate) FILTER (ff_predictor = 'popular') AS ff_popular,
        any_value(ff_error) FILTER (ff_predictor = 'popular') AS ff_popular_error,
        any_value(ff_n) AS ff_asked,
        any_value(ff_users) AS ff_of_users,
        any_value(ff_repeats) AS ff_repeat_share,
        any_value(ff_unseen) AS ff_unseen_share,
        list(footfall.internal.mark(
            label := replace(ff_predictor, '_', ' '), y := ff_rate, low := greatest(ff_rate - 1.959963984540054 * ff_error, 0),
            high := least(ff_rate + 1.959963984540054 * ff_error, 1), note := footfall.internal.said_share(ff_coverage) || ' listed',
            strong := ff_predictor = 'mixture'
        ) ORDER BY ff_rate DESC NULLS LAST, ff_predictor ASC NULLS LAST) FILTER (ff_rate IS NOT NULL) AS ff_marks
    FROM ff_rows
)
SELECT footfall.internal.picture(
    58, 'What to show next', 'recommendations', 'dots',
    footfall.internal.headline_recommendations(
        replace(ff_best, '_', ' '), ff_best_rate, ff_popular, sqrt(pow(ff_best_error, 2) + pow(ff_popular_error, 2)), ff_repeat_share
    ),
    concat_ws(' ',
        'How often the list of each way to recommend holds what comes next, with 95 % intervals over ' || footfall.internal.said_count(ff_of_users) || ' users ('
            || footfall.internal.said_count(ff_asked) || ' cases); at the right, the share of all that was on anybody''s list.',
        CASE WHEN ff_unseen_share > 0 THEN footfall.internal.said_share(ff_unseen_share) || ' of what came next is nowhere in the training: only repeating can hit it.' END,
        'Read with care: who comes next to what she had before may come without being shown it; a hit is no sale that the list made.'
    ),
    ff_marks, y_label := 'share of the lists that hold what came next', format := 'percent', reference := ff_popular,
    reference_label := 'popular: ' || footfall.internal.said_share(ff_popular), sql := sql
) AS chart
FROM ff_sums;
COMMENT ON MACRO TABLE footfall.main.recommendations_chart IS $$Draws how often each way to recommend hits, beside showing what is popular.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.evaluate_items` gave.
- sql: VARCHAR, the query that the page shows.

Example:
WITH report(predictor, hit_rate, hit_rate_standard_error, coverage, n, n_users, repeat_share, unseen_share) AS (VALUES
    ('mixture', 0.31, 0.01, 0.4, 900, 80, 0.45, 0.02), ('popular', 0.12, 0.01, 0.1, 900, 80, 0.45, 0.02))
SELECT chart.headline FROM footfall.recommendations_chart(report);$$;
