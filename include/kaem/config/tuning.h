#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kaem/config/config.h"
#include "kaem/config/range.h"

/// Searches over configurations: section [TUNING]. docs/file-formats.md.
namespace kaem {

/// How a search is made.
struct TuningOptions {
  int64_t trials = 20;
  std::string sampler = "random";  ///< random | grid | halving
  std::string pruner = "none";     ///< the reference's; halving takes its place
  std::string metric = "auto";     ///< auto | loglik | ais | reconstruction | fid | loss
  int64_t grid_points = 3;
  int64_t eta = 3;
  int64_t min_steps = 0;
  int64_t test_data = 100;
  int64_t draws = 2000;

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "num_trials", .help = "Settings that are tried", .min = 1, .max = 1e5}, o.trials);
    v(Key{.name = "sampler",
          .help =
              "Independent draws (random), a grid (drawn from where it has more than num_trials points), or draws of "
              "which the best are trained on (halving)",
          .choices = {"random", "grid", "halving"}},
      o.sampler);
    v(Key{.name = "pruner",
          .help = "Key of the reference; median is ignored with a warning, sampler = halving does this",
          .choices = {"none", "median"}},
      o.pruner);
    v(Key{.name = "metric",
          .help = "What is compared: log p(x) of test data by importance sampling (loglik) or annealed importance "
                  "sampling (ais), their mean squared error of reconstruction, the Fréchet distance of classifier "
                  "features (fid), or the last loss; auto: loglik, for a deep prior ais, without a density fid",
          .choices = {"auto", "loglik", "ais", "reconstruction", "fid", "loss"}},
      o.metric);
    v(Key{.name = "grid_points", .help = "Values of each numeric range in a grid", .min = 1, .max = 1000},
      o.grid_points);
    v(Key{.name = "eta",
          .help = "Halving keeps one of eta trials and trains it eta times as long",
          .min = 2,
          .max = 100},
      o.eta);
    v(Key{.name = "min_steps",
          .help = "Least updates of the first round of halving; 0: as many rounds as num_trials gives",
          .min = 0},
      o.min_steps);
    v(Key{.name = "test_data", .help = "Test data that the metric is taken of", .min = 1, .max = 1e6}, o.test_data);
    v(Key{.name = "draws", .help = "Prior draws of loglik, the same for all trials", .min = 1, .max = 1e8}, o.draws);
  }
};

/// A key and the values that it may have.
struct SearchedKey {
  std::string section, key;
  Range range;
};

/// What a [TUNING] section says.
struct Search {
  TuningOptions options;
  std::vector<SearchedKey> keys;
  std::vector<std::string> notes;  ///< to be printed, a line each

  /// True if more of the metric is better.
  bool higher_is_better() const { return options.metric == "loglik" || options.metric == "ais"; }
};

/// One round of a search: how many trials, and after how many updates they are compared.
struct Round {
  int64_t trials = 0, steps = 0;
};

/// Reads options and ranges from [TUNING] of a file and from the overrides of that section. Keys that the file gives as
/// NaN are searched over the range that [TUNING] or, failing that, the reference's program has for them; with neither
/// ranges nor NaN all of the reference's ranges are. `base` decides what metric = auto means. ConfigError as
/// load_config, also for values of a range that its key does not allow.
Search load_search(const std::string& path, const std::vector<Override>& overrides, const Config& base);

/// How many trials the search has: num_trials, or the grid's points if these are fewer.
int64_t trial_count(const Search& search);

/// The values of trial `trial`: a function of the search, the seed and that number alone.
std::vector<Override> trial_values(const Search& search, uint64_t seed, int64_t trial);

/// The rounds of a search whose longest trial has `steps` updates; one but for halving.
std::vector<Round> rounds_of(const Search& search, int64_t steps);

/// The section as INI text that reads back to the same search.
std::string to_ini(const Search& search);

}  // namespace kaem
