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
beta_cdf(df / (df + t * t), df / 2, 0.5). At least eight digits where a and b are below a million, four at 1e12. NULL gives NULL.

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
