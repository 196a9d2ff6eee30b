-- Monitoring: whether what a model told came true.

CREATE MACRO footfall.internal.share_option(function_name, argument_name, given) AS
CASE
    WHEN coalesce(footfall.internal.number(function_name, argument_name, given) BETWEEN 0 AND 1, true)
    THEN footfall.internal.number(function_name, argument_name, given)
    ELSE CAST(error(concat(
        'footfall.', function_name, ': argument ''', argument_name, ''' holds ', footfall.internal.number(function_name, argument_name, given),
        '; allowed: probabilities from 0 to 1 and NULL'
    )) AS DOUBLE)
END;

COMMENT ON MACRO footfall.internal.share_option IS $$A probability as DOUBLE, or an error that names the macro it was given to.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: a number from 0 to 1; NULL stays NULL.

Example:
SELECT footfall.internal.share_option('monitor', 'probability', 0.25) AS probability;$$;

CREATE MACRO footfall.internal.told_and_happened(
    function_name, predictions, outcomes, user_id, predicted_at, probability, action, ts, target, horizon, baseline, period, as_of, time_zone
) AS TABLE
WITH ff_given AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key(function_name, 'user_id', user_id) AS told_user,
        footfall.internal.local_time(function_name, 'predicted_at', predicted_at, time_zone := time_zone, default_zone := 'UTC') AS told_at,
        footfall.internal.share_option(function_name, 'probability', probability) AS told,
        footfall.internal.share_option(function_name, 'baseline', baseline) AS told_before,
        typeof(baseline) <> typeof(NULL) AS has_own
    FROM query_table(predictions)
),
ff_settings AS MATERIALIZED (
    SELECT
        CASE WHEN typeof(horizon) <> typeof(NULL) THEN footfall.internal.propensity_horizon(function_name, horizon) END AS ahead,
        footfall.internal.action_name(target) AS wanted,
        footfall.internal.option_name(period) AS slot_length
    WHERE footfall.internal.check_option(
        footfall.internal.option_name(period) IN ('day', 'week', 'month', 'quarter', 'year'), function_name, 'period', period, '''day'', ''week'', ''month'', ''quarter'', ''year'''
    )
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.propensity_events(
        function_name, outcomes, user_id, action, ts, NULL, NULL, NULL, NULL, time_zone, footfall.internal.moment_option(function_name, 'as_of', as_of)
    )
),
ff_counts AS MATERIALIZED (
    FROM footfall.internal.propensity_counts(ff_seen)
),
ff_actions AS MATERIALIZED (
    SELECT list(footfall.internal.unmarked(event_action) ORDER BY event_action ASC NULLS LAST) AS names FROM ff_counts WHERE event_action IS NOT NULL
),
ff_known AS MATERIALIZED (
    SELECT ff_settings.*, first_time, known_until
    FROM footfall.internal.propensity_extent(function_name, ff_counts, as_of)
    CROSS JOIN ff_settings
    CROSS JOIN ff_actions
    WHERE CASE WHEN names IS NULL OR list_contains(names, footfall.internal.unmarked(wanted))
        THEN true
        ELSE CAST(error(footfall.internal.not_found(function_name, 'argument ''target''', wanted, names)) AS BOOLEAN)
    END
),
-- Those of one moment are one: which of them came first is not known.
ff_happenings AS MATERIALIZED (
    SELECT event_user AS doer, event_time AS done_at, coalesce(bool_or(event_action = wanted), false) AS is_wanted
    FROM ff_seen
    CROSS JOIN ff_settings
    WHERE ahead IS NULL OR event_action = wanted
    GROUP BY event_user, event_time
),
ff_told AS NOT MATERIALIZED (
    SELECT
        ff_given.*,
        ff_known.*,
        footfall.internal.period_start(CAST(told_at AS DATE), slot_length, 'monday') AS slot,
        -- A next event comes after the one that the prediction was made at.
        CASE WHEN ahead IS NULL THEN told_at + INTERVAL 1 MICROSECOND ELSE told_at END AS from_time
    FROM ff_given
    CROSS JOIN ff_known
    WHERE told_user IS NOT NULL AND told IS NOT NULL AND told_at > TIMESTAMP '-infinity' AND told_at < TIMESTAMP 'infinity'
),
ff_met AS NOT MATERIALIZED (
    SELECT
        *,
        coalesce(told_at >= first_time AND CASE WHEN ahead IS NULL THEN done_at IS NOT NULL ELSE told_at + ahead <= known_until END, false) AS is_known
    FROM ff_told
    ASOF LEFT JOIN ff_happenings ON told_user = doer AND from_time <= done_at
),
ff_judged AS MATERIALIZED (
    SELECT
        slot,
        told_user,
        told,
        told_before,
        has_own,
        is_known,
        CASE WHEN is_known THEN CAST(CASE WHEN ahead IS NULL THEN is_wanted ELSE coalesce(done_at < told_at + ahead, false) END AS INTEGER) END AS happened,
        -- The first period at whose beginning the outcome was known is a later one than this.
        footfall.internal.period_start(
            CAST(CASE WHEN ahead IS NULL THEN done_at ELSE told_at + ahead END - INTERVAL 1 MICROSECOND AS DATE), slot_length, 'monday'
        ) AS slot_known
    FROM ff_met
),
ff_slots AS MATERIALIZED (
    SELECT DISTINCT slot FROM ff_judged
),
ff_closed AS MATERIALIZED (
    SELECT slot_known, count(*) AS n_closed, sum(happened) AS n_closed_happened FROM ff_judged WHERE is_known GROUP BY slot_known
),
-- What could have been told without a model: the share until then, half of one added to either side, so that none is 0 or 1.
ff_shares AS MATERIALIZED (
    SELECT slot AS of_slot, (sum(n_closed_happened) + 0.5) / (sum(n_closed) + 1) AS share_until
    FROM ff_slots
    JOIN ff_closed ON slot_known < slot
    GROUP BY slot
)
SELECT slot, told_user, told, happened, is_known, CASE WHEN has_own THEN told_before ELSE share_until END AS simple
FROM ff_judged
LEFT JOIN ff_shares ON of_slot = slot;

COMMENT ON MACRO TABLE footfall.internal.told_and_happened IS $$Each prediction with its outcome, for `footfall.monitor`.

One row per prediction: `slot` (the first day of its period, counted from 1 January 1970), `told_user`, `told` (the probability), `happened` (1, 0, or NULL where it is not known), `is_known`, and `simple`, the baseline's probability.

Parameters:
- function_name: the macro that was called, for messages.
- predictions, outcomes, user_id, predicted_at, probability, action, ts, target, horizon, baseline, period, as_of, time_zone: as in `monitor`.

Example:
WITH told(u, moment, p) AS (VALUES (1, DATE '2017-11-26', 0.3), (2, DATE '2017-11-26', 0.1)),
    events(u, a, t) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25'), (1, 'buy', TIMESTAMP '2017-11-26 10:00:00'), (2, 'pv', TIMESTAMP '2017-11-28'))
SELECT told_user, told, happened FROM footfall.internal.told_and_happened('monitor', told, events, u, moment, p, a, t, 'buy', INTERVAL 1 DAY, NULL, 'day', NULL, NULL) ORDER BY told_user;$$;

CREATE MACRO footfall.main.monitor(
    predictions, outcomes, user_id, predicted_at, probability, action, ts, target := 'buy', horizon := INTERVAL '7 days',
    baseline := NULL, period := 'day', as_of := NULL, time_zone := NULL
) AS TABLE
WITH ff_judged AS MATERIALIZED (
    FROM footfall.internal.told_and_happened(
        'monitor', predictions, outcomes, user_id, predicted_at, probability, action, ts, target, horizon, baseline, period, as_of, time_zone
    )
),
-- Each in its own period and in all of them, which is told by the flag.
ff_told AS NOT MATERIALIZED (
    SELECT *, true AS in_all, 0 AS place FROM ff_judged
    UNION ALL
    SELECT *, false AS in_all, slot AS place FROM ff_judged
),
ff_unknown AS NOT MATERIALIZED (
    SELECT in_all, place, count(*) FILTER (NOT is_known) AS n_unknown FROM ff_told GROUP BY in_all, place
),
ff_sided AS NOT MATERIALIZED (
    SELECT
        *,
        1 - happened AS stayed,
        sum(happened) OVER of_all AS n_done,
        sum(1 - happened) OVER of_all AS n_not,
        -- Half of equal ones count as below.
        sum(1 - happened) OVER least_first - sum(1 - happened) OVER equal_ones / 2 AS not_below,
        sum(happened) OVER least_first - sum(happened) OVER equal_ones / 2 AS done_below
    FROM ff_told
    WHERE is_known
    WINDOW of_all AS (PARTITION BY in_all, place), equal_ones AS (PARTITION BY in_all, place, told),
        least_first AS (PARTITION BY in_all, place ORDER BY told ASC NULLS LAST)
),
ff_losses AS NOT MATERIALIZED (
    SELECT
        *,
        CASE WHEN happened = 1 THEN -ln(greatest(told, 1e-15)) ELSE -ln(greatest(1 - told, 1e-15)) END AS loss,
        CASE
            WHEN simple IS NULL THEN NULL
            WHEN happened = 1 THEN -ln(greatest(simple, 1e-15))
            ELSE -ln(greatest(1 - simple, 1e-15))
        END AS simple_loss,
        CASE WHEN happened = 1 THEN not_below / nullif(n_not, 0) ELSE 1 - done_below / nullif(n_done, 0) END AS rank_share
    FROM ff_sided
),
ff_users AS MATERIALIZED (
    SELECT
        in_all,
        place,
        count(*) AS n,
        count(simple) AS n_simple,
        sum(happened) AS done,
        sum(stayed) AS rest,
        any_value(n_done) AS n_done,
        any_value(n_not) AS n_not,
        footfall.internal.fixed_sum(told, pow(2, 60)) AS told_sum,
        footfall.internal.fixed_sum(loss, pow(2, 60)) AS loss_sum,
        footfall.internal.fixed_sum(simple_loss, pow(2, 60)) AS simple_sum,
        coalesce(footfall.internal.fixed_sum(loss - simple_loss, pow(2, 60)), 0) AS difference_sum,
        -- Of a user his part of the area under the curve, from both sides.
        coalesce(footfall.internal.fixed_sum(rank_share * happened, pow(2, 60)), 0) / nullif(any_value(n_done), 0) AS rank_done,
        coalesce(footfall.internal.fixed_sum(rank_share * stayed, pow(2, 60)), 0) / nullif(any_value(n_not), 0) AS rank_not
    FROM ff_losses
    GROUP BY in_all, place, told_user
),
ff_means AS MATERIALIZED (
    SELECT
        in_all AS of_all,
        place AS of_place,
        count(*) AS n_users,
        sum(n) AS n_told,
        sum(n_simple) AS n_with_simple,
        any_value(n_done) AS n_happened,
        any_value(n_done) / sum(n) AS share,
        footfall.internal.fixed_sum(told_sum, pow(2, 60)) / sum(n) AS mean_told,
        footfall.internal.fixed_sum(loss_sum, pow(2, 60)) / sum(n) AS mean_loss,
        footfall.internal.fixed_sum(simple_sum, pow(2, 60)) / nullif(sum(n_simple), 0) AS mean_simple,
        footfall.internal.fixed_sum(difference_sum, pow(2, 60)) / nullif(sum(n_simple), 0) AS mean_difference,
        CASE WHEN any_value(n_not) > 0 THEN footfall.internal.fixed_sum(rank_done, pow(2, 60)) END AS area
    FROM ff_users
    GROUP BY in_all, place
),
-- What a user adds to the error of a ratio of sums over users: how far his sum is from the one that the mean would give him.
ff_errors AS NOT MATERIALIZED (
    SELECT
        in_all AS error_of_all,
        place AS error_place,
        CASE WHEN count(*) > 1 THEN sqrt(count(*) / (count(*) - 1)) END AS few,
        sqrt(footfall.internal.fixed_sum(((told_sum - done - (mean_told - share) * n) / n_told) ** 2, pow(2, 100))) AS calibration_error,
        sqrt(footfall.internal.fixed_sum(((difference_sum - mean_difference * n_simple) / nullif(n_with_simple, 0)) ** 2, pow(2, 100))) AS difference_error,
        sqrt(footfall.internal.fixed_sum((rank_done + rank_not - area * (done / nullif(n_done, 0) + rest / nullif(n_not, 0))) ** 2, pow(2, 100))) AS area_error
    FROM ff_users
    JOIN ff_means ON of_all = in_all AND of_place = place
    GROUP BY in_all, place
)
SELECT
    CASE WHEN NOT in_all THEN DATE '1970-01-01' + CAST(place AS INTEGER) END AS period,
    CAST(coalesce(n_told, 0) AS BIGINT) AS n_predictions,
    coalesce(n_users, 0) AS n_users,
    n_unknown,
    CAST(coalesce(n_happened, 0) AS BIGINT) AS n_happened,
    share,
    mean_told AS mean_probability,
    mean_told - share AS calibration,
    few * calibration_error AS calibration_standard_error,
    mean_loss AS log_loss,
    mean_simple AS baseline_log_loss,
    mean_difference AS difference,
    few * difference_error AS standard_error,
    area AS auc,
    CASE WHEN n_happened > 1 AND n_told - n_happened > 1 THEN few * area_error END AS auc_standard_error
FROM ff_unknown
LEFT JOIN ff_means ON of_all = in_all AND of_place = place
LEFT JOIN ff_errors ON error_of_all = in_all AND error_place = place
ORDER BY in_all ASC NULLS LAST, place ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.main.monitor IS $$Says day by day whether the predictions of a model came true, beside what can be told without one.

Keep what is predicted, with its moment, when it is predicted; give the events as they are known later. **A prediction whose horizon is not over has no outcome**, which is not the same as nothing that
happened: it is counted in `n_unknown` and judged when it is over. So is one from before the first event.

A row for each day (or other `period`) with predictions, in order, and one of all of them last, whose `period` is NULL: `n_predictions` and `n_users` with a known outcome, `n_unknown`, `n_happened`; `share`, of the predictions
that came true, `mean_probability`, and `calibration`, the second less the first: above 0 more was promised than happened; `log_loss`, the mean of −ln p or −ln (1 − p), `baseline_log_loss` of the baseline,
`difference`, the one less the other (below 0 the model is better), over the predictions for which there is a baseline; `auc`, how often one that came true had a higher probability than one that did not, equal ones
half. **A model is no longer worth its trouble** where `difference` is not below 0 by two standard errors: look at the last row, then at the days.

Standard errors (`calibration_standard_error`, `standard_error`, `auc_standard_error`) are over users, because predictions for one user come true together: those of a ratio of sums over clusters (Cochran, "Sampling Techniques", 1977, 6.4), of the AUC by
Obuchowski (Biometrics 53, 1997). NULL for one user alone. Days follow from one another, so the errors of days are not independent.

**The baseline** tells everybody the same: the share that came true among all predictions whose outcome was known when the day began, (n_happened + ½) / (n + 1); NULL on the first days. It knows the past of this list of predictions alone. Something
stronger, such as what the model before said, goes into `baseline`.

Rows of nobody, without a time, and predictions that are NULL are left out.

Parameters:
- predictions: table with a row for each prediction: user, moment, probability.
- outcomes: table of the events, all actions of them: their first and last moment say what is known.
- user_id: who, a column or expression over both tables.
- predicted_at: the moment of a prediction in the shop's local time, such as `as_of` of `propensity`; types as `ts`.
- probability: what was told, from 0 to 1.
- action, ts: of the events, as in `train_propensity`.
- target: the action that was predicted.
- horizon: INTERVAL from 1 hour to 10 years: whether the user does the target from the moment on until it is over. NULL for whether the user's next event is the target: the next one after the moment, of several at one time any. Then those who
  come back soon are judged first.
- baseline: a probability of each prediction from something simpler, a column or expression over the predictions; NULL for the share until then.
- period: 'day', 'week' (from Monday), 'month', 'quarter' or 'year', of the moment of the prediction.
- as_of: DATE or TIMESTAMP, until when the events are known; later ones are left out. NULL is the full minute after the last event, or the day after it where `ts` is a DATE.
- time_zone: the shop's, such as 'Europe/Berlin', where times are TIMESTAMP WITH TIME ZONE; NULL is UTC.

Example:
WITH events AS (SELECT i % 50 AS u, CASE WHEN i % 3 = 0 THEN 'buy' ELSE 'pv' END AS a, TIMESTAMP '2017-11-25' + to_hours(CAST(i * i % 211 AS INTEGER)) AS t FROM range(400) n(i)),
    told AS (SELECT i % 50 AS u, TIMESTAMP '2017-11-28' + to_days(CAST(i // 50 AS INTEGER)) AS predicted_at, 0.2 + i % 3 / 5 AS p FROM range(300) n(i))
SELECT period, n_predictions, n_unknown, round(share, 2) AS share, round(mean_probability, 2) AS told, round(difference, 3) AS difference, round(standard_error, 3) AS error
FROM footfall.monitor(told, events, u, predicted_at, p, a, t, horizon := INTERVAL 1 DAY);$$;
