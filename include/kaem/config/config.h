#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kaem/baseline/options.h"
#include "kaem/core/options.h"
#include "kaem/data/options.h"
#include "kaem/model/options.h"
#include "kaem/objective/options.h"
#include "kaem/posterior/options.h"

namespace kaem {

/// Optimiser of one parameter group ([OPTIMIZER]; the prior may have a learning rate of its own).
struct OptimizerOptions {
  std::string type = "adam";  ///< adam adamw sgd momentum nesterov rmsprop nadam
  double learning_rate = 1e-3;
  double prior_learning_rate = 0;  ///< 0: as learning_rate
  std::vector<double> betas = {0.9, 0.999};
  double weight_decay = 0;  ///< "decay"
  double rho = 0.9;         ///< momentum of momentum/nesterov, smoothing of rmsprop
  double eps = 1e-8;
  double max_grad_norm = 0;         ///< [TRAINING]; 0: off
  double ema_decay = 0;             ///< [TRAINING]; 0: off
  std::string not_finite = "stop";  ///< [TRAINING] stop | skip: an update whose loss or gradient is no number
};

/// Learning-rate schedule ([LR_SCHEDULE], [TRAINING] warmup_steps): a pure function of the step.
struct ScheduleOptions {
  std::string type = "milestones";  ///< milestones | cosine | constant
  double decay = 1.0;               ///< factor at each milestone; end of cosine as a share of the start
  std::vector<int64_t> milestones;  ///< epochs
  int64_t warmup_steps = 0;
};

/// When and what grids are updated ([GRID_UPDATING], [TRAINING] update_grid).
struct GridSchedule {
  bool enabled = true;
  bool prior = true;
  bool generator = true;
  int64_t samples = 0;     ///< prior draws per update; 0: importance_sample_size
  int64_t frequency = 50;  ///< updates between the first two
  double decay = 0.9999;   ///< each interval is (2 - decay) times the last

  /// True if an update is due after `step` updates.
  bool due(int64_t step) const;
};

/// The run itself: length, folder, device ([TRAINING] and command line).
struct RunOptions {
  std::string dataset = "DARCY_FLOW";
  std::string mode = "vanilla";
  std::string criterion = "auto";  ///< auto: the mode's
  std::string name;                ///< empty: time stamp
  std::string out = "runs";        ///< folder of all runs
  std::string device = "auto";     ///< auto | cpu | cuda | cuda:N
  int64_t threads = 0;             ///< 0: all
  uint64_t seed = 1;
  int64_t batch_size = 100;
  int64_t epochs = 16;
  int64_t updates = 0;            ///< N_updates; 0: N_epochs x steps per epoch
  std::string budget;             ///< time of training that decides `updates`, "1h30m"; empty: none
  int64_t max_steps = 0;          ///< only stops
  int64_t data_at_once = 0;       ///< data of a batch that are worked on together; 0: all
  std::string memory_limit;       ///< that data_at_once is chosen for ("4G"); empty: none
  int64_t checkpoint_epochs = 5;  ///< checkpoint_every; -1: off
  int64_t checkpoint_steps = 0;   ///< 0: off
  int64_t keep_checkpoints = 3;
  int64_t sample_epochs = 2;            ///< gen_every; -1: off
  int64_t eval_epochs = -1;             ///< eval_every; -1: off
  std::string eval_metrics = "loglik";  ///< separated by commas
  int64_t eval_generated = 1000;        ///< samples of those that compare samples with data
  std::string keep_best;                ///< column of metrics.csv whose best checkpoint is kept; empty: none
  int64_t samples_per_picture = 64;
  int64_t log_steps = 10;        ///< updates between rows of metrics.csv
  bool tensorboard = true;       ///< events for TensorBoard beside metrics.csv
  bool use_variational = false;  ///< [VARIATIONAL]; decides the mode where none is given
  bool overfit_batch = false;    ///< train on the first batch only
  bool deterministic = false;
  bool quiet = false, verbose = false;
  std::string log_format = "text";
};

/// Everything a run is made from: the option structs of all parts.
struct Config {
  RunOptions run;
  DatasetOptions data;
  ModelOptions model;
  PosteriorOptions posterior;
  ObjectiveOptions objective;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  GridSchedule grid;
  BaselineOptions baseline;
  std::vector<std::string> notes;  ///< replacements and warnings from resolving, a line each, to be printed

  /// Walks every configuration key in order: v.section("EbmModel", "what it holds"), then v(Key, field) for each key of
  /// that section. Defined in kaem/config/visit.h.
  template <class Self, class V>
  static void visit(Self& c, V&& v);
};

/// One value from the command line.
struct Override {
  std::string section, key, value;
  std::string origin = {};  ///< as typed ("--seed 3"), for messages; empty: "--set SECTION.key=value"
};

/// Takes SECTION.key=value apart; UsageError if it is not of that form.
Override parse_override(const std::string& text);

/// Reads an INI file (empty path: defaults only), applies the overrides, then resolves mode and dependent defaults and
/// checks everything. ConfigError is one line with file, section, key, value, what is allowed, and the nearest
/// spelling.
Config load_config(const std::string& path, const std::vector<Override>& overrides, const std::string& dataset,
                   const std::string& mode);

/// The same from text (`name` stands in messages); one that to_ini wrote gives the same Config again.
Config parse_config(const std::string& text, const std::string& name, const std::vector<Override>& overrides = {},
                    const std::string& dataset = "", const std::string& mode = "");

/// The resolved configuration as an INI file that loads to the same Config ("; kaem config 1" first).
std::string to_ini(const Config& config);

/// All keys of such a text, "SECTION.key" and value, in its order.
std::vector<std::pair<std::string, std::string>> ini_values(const std::string& ini);

/// A key whose values differ between two such texts. A key that one of them lacks is newer than it: no change.
struct ValueChange {
  std::string key, before, now;
};
std::vector<ValueChange> changed_values(const std::string& before, const std::string& now);

/// "SECTION.key" of what other programs call `name` (lr, epochs, batch-size, ...; - and _ are one, case and leading
/// dashes ignored); empty if it is none of these.
std::string key_of_other_programs(std::string_view name);

/// The table of all keys as Markdown (docs/configuration.md) and as plain text (--help-config).
std::string configuration_markdown();
/// What is known of one key, in words.
struct KeyHelp {
  std::string section, name, ascii;  ///< `ascii`: the spelling without Greek letters
  std::string aliases, meaning, takes, standard;
  std::string example;  ///< a value as a shell takes it; empty where the default is none
};
/// The keys that `word` names: "SECTION.key", or "key" of any section, by any spelling; none if it is unknown.
std::vector<KeyHelp> key_help(std::string_view word);
/// All keys of a section, "TRAINING" or "[TRAINING]"; none if it is unknown.
std::vector<KeyHelp> section_help(std::string_view section);
/// Every key as "SECTION.key" and as "key", ASCII spellings.
std::vector<std::string> key_names();
std::string configuration_help();

/// What [TRAINING] mode may be: the modes of the criteria that have one, and the baselines.
std::vector<std::string> run_modes();

/// File in `config/` for a data set (nist_config.ini, darcy_flow_config.ini, ...): the first that exists beside the
/// working folder, the program, or in the installed share folder; ConfigError if there is none. Where the data set has
/// one for baselines (baseline_nist_config.ini, ...) or for kaem tune (nist_tuning_config.ini, ...), that of a
/// baseline's `mode`, or of a `search`.
std::string default_config_path(const std::string& dataset, const std::string& mode = "", bool search = false);
/// A file of these folders by its name there, such as "bench/mnist.ini"; ConfigError if there is none.
std::string config_path(const std::string& name);

}  // namespace kaem
