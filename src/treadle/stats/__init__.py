"""Pure numerics: metrics, intervals, paired and sequential tests, effect sizes, sketches. Arrays in, records out."""
