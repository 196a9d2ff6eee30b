-- Statistics: the distributions that intervals and p values are read from.

CREATE MACRO footfall.main.normal_cdf(z) AS system.main.normal_cdf(z);

COMMENT ON MACRO footfall.main.normal_cdf IS $$P(Z <= z) of the standard normal distribution.

Ten digits, in the lower tail too. NULL gives NULL, and NaN NaN.

Parameters:
- z: DOUBLE, in standard deviations from the mean.

Example:
SELECT normal_cdf(1.96) AS p, 2 * normal_cdf(-abs(2.5)) AS two_sided;$$;

CREATE MACRO footfall.main.normal_quantile(p) AS system.main.normal_quantile(p);

COMMENT ON MACRO footfall.main.normal_quantile IS $$The z with P(Z <= z) = p of the standard normal distribution.

0 gives minus infinity, 1 infinity, NULL NULL; anything outside 0 to 1 is an error.

Parameters:
- p: DOUBLE, a probability.

Example:
SELECT normal_quantile(0.975) AS z;$$;

CREATE MACRO footfall.main.beta_cdf(x, a, b) AS system.main.beta_cdf(x, a, b);

COMMENT ON MACRO footfall.main.beta_cdf IS $$P(X <= x) of the beta distribution, the regularised incomplete beta function.

Student's t, F, binomial and negative binomial distributions are forms of it: a t value with `df` degrees of freedom has the two-sided p
beta_cdf(df / (df + t * t), df / 2, 0.5). At least nine digits where a and b are below a million, seven at 1e12. NULL gives NULL.

Parameters:
- x: DOUBLE; below 0 the answer is 0, above 1 it is 1.
- a, b: DOUBLE, the parameters, above 0 and at most 1e12.

Example:
SELECT beta_cdf(0.2, 23, 123) AS p, beta_cdf(10 / (10 + 2.228 ** 2), 10 / 2, 0.5) AS two_sided_p_of_t;$$;

CREATE MACRO footfall.main.beta_quantile(p, a, b) AS system.main.beta_quantile(p, a, b);

COMMENT ON MACRO footfall.main.beta_quantile IS $$The x with P(X <= x) = p of the beta distribution.

For the exact interval of a share, as Clopper and Pearson have it: k of n is between beta_quantile(0.025, k, n - k + 1) and
beta_quantile(0.975, k + 1, n - k). NULL gives NULL.

Parameters:
- p: DOUBLE, a probability; anything outside 0 to 1 is an error.
- a, b: DOUBLE, the parameters, above 0 and at most 1e12.

Example:
SELECT beta_quantile(0.025, 23, 145 - 23 + 1) AS low, beta_quantile(0.975, 23 + 1, 145 - 23) AS high;$$;

CREATE MACRO footfall.internal.t_two_sided(t_value, df) AS
system.main.beta_cdf(CAST(df / (df + t_value * t_value) AS DOUBLE), CAST(df / 2 AS DOUBLE), CAST(0.5 AS DOUBLE));

COMMENT ON MACRO footfall.internal.t_two_sided IS $$P(|T| >= |t|) of Student's t distribution: the two-sided p value.

Parameters:
- t_value: DOUBLE.
- df: DOUBLE, the degrees of freedom, above 0; NULL gives NULL.

Example:
SELECT footfall.internal.t_two_sided(2.228, 10) AS p;$$;

CREATE MACRO footfall.internal.t_quantile(level, df) AS
[
    sqrt(df * share_beyond / (1 - share_beyond))
    FOR share_beyond IN [system.main.beta_quantile(CAST(level AS DOUBLE), CAST(0.5 AS DOUBLE), CAST(df / 2 AS DOUBLE))]
][1];

COMMENT ON MACRO footfall.internal.t_quantile IS $$The t with P(|T| <= t) = level of Student's t distribution: what an interval is made with.

Parameters:
- level: DOUBLE, such as 0.95.
- df: DOUBLE, the degrees of freedom, above 0; NULL gives NULL.

Example:
SELECT footfall.internal.t_quantile(0.95, 10) AS t;$$;

CREATE MACRO footfall.internal.share_interval(share, n_trials, z) AS
CASE WHEN n_trials > 0 AND z IS NOT NULL AND share IS NOT NULL THEN {
    'low': CASE WHEN share = 0 THEN 0 ELSE greatest((share + z * z / (2 * n_trials) - z * sqrt((share * (1 - share) + z * z / (4 * n_trials)) / n_trials)) / (1 + z * z / n_trials), 0) END,
    'high': CASE WHEN share = 1 THEN 1 ELSE least((share + z * z / (2 * n_trials) + z * sqrt((share * (1 - share) + z * z / (4 * n_trials)) / n_trials)) / (1 + z * z / n_trials), 1) END
} END;

COMMENT ON MACRO footfall.internal.share_interval IS $$The interval of a share as Wilson has it, for as many trials as the share is worth: STRUCT with `low` and `high`.

Where users make several events, the events are worth fewer independent trials than they are. NULL where an argument is.

Parameters:
- share: DOUBLE, 0 to 1.
- n_trials: DOUBLE above 0, the trials that the share is worth.
- z: DOUBLE, the quantile of the level.

Example:
SELECT footfall.internal.share_interval(0.25, 120, 1.96) AS interval;$$;

CREATE MACRO footfall.internal.chi_squared_tail(x, df) AS
CASE
    WHEN x <= 0 THEN 1
    -- From df to df + 2 the tail grows by one term (Abramowitz and Stegun, 26.4.8): it begins at that of 1 or 2.
    ELSE least(1, CASE WHEN df % 2 = 1 THEN 2 * footfall.main.normal_cdf(-sqrt(x)) ELSE exp(-x / 2) END
        + coalesce(list_sum(list_transform(range(2 - df % 2, df, 2), lambda term: exp(term / 2 * ln(x / 2) - x / 2 - lgamma(term / 2 + 1)))), 0))
END;

COMMENT ON MACRO footfall.internal.chi_squared_tail IS $$The probability that a chi-squared distributed number is above x.

Parameters:
- x: a number.
- df: degrees of freedom, a whole number from 1 on.

Example:
SELECT round(footfall.internal.chi_squared_tail(3.841459, 1), 6) AS p;$$;
