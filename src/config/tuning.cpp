#include "kaem/config/tuning.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "config/draft.h"
#include "kaem/baseline/baselines.h"
#include "kaem/core/error.h"
#include "kaem/core/rng.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"

namespace kaem {
namespace {

using config::Draft;
using config::Field;

constexpr std::string_view kSection = "TUNING";

/// What the reference's program searches; its files hold no ranges.
struct UsualRange {
  std::string_view section, key, range;
};
constexpr std::string_view kActivations = "choice relu leakyrelu tanh sigmoid silu gelu selu";
constexpr auto kUsualRanges = std::to_array<UsualRange>({
    {"OPTIMIZER", "learning_rate", "log 1e-5 1e-2"},
    {"LR_SCHEDULE", "decay", "uniform 0 0.6"},
    {"EbmModel", "π_0", "choice ebm gaussian"},
    {"EbmModel", "base_activation", kActivations},
    {"GeneratorModel", "base_activation", kActivations},
    {"CNN", "activation", kActivations},
    {"SEQ", "activation", kActivations},
    {"GeneratorModel", "generator_variance", "log 0.01 1"},
    {"GeneratorModel", "generator_noise", "log 0.01 1"},
    {"POST_LANGEVIN", "ula_η", "log 1e-3 0.1"},
});

// What a trial is measured by, or where it runs, cannot be searched.
constexpr auto kFixed = std::to_array<std::string_view>({"TRAINING.dataset", "TRAINING.mode", "TRAINING.device",
                                                         "TRAINING.threads", "TRAINING.max_steps", "TRAINING.N_updates",
                                                         "TRAINING.budget", "TRAINING.seed", "TRAINING.N_test"});

/// Puts a search together from a file and options.
class Reader {
 public:
  Search read(const std::string& path, const std::vector<Override>& overrides, const Config& base) {
    if (!path.empty())
      for (const auto& entry : config::read_ini(config::read_configuration(path), path).entries)
        take(entry.section, entry.key, entry.value, str(path, ":", entry.line), true);
    for (const auto& o : overrides)
      take(o.section, o.key, o.value, o.origin.empty() ? str("--set ", o.section, ".", o.key, "=", o.value) : o.origin,
           false);
    add_usual_ranges(base.model.generator);
    return std::move(search_);
  }

 private:
  void take(const std::string& section, const std::string& key, const std::string& value, const std::string& where,
            bool from_file) {
    if (!same_name(section, kSection)) {
      const bool searched = from_file && same_name(value, "nan") && !config::find_reserved(section, key);
      if (searched) wanted_.emplace_back(draft_.id_of(section, key), where);
      return;
    }
    const std::string place = from_file ? str(where, ": [TUNING] ", key, " = ", value) : where;
    const size_t dot = key.find('.');
    if (dot == std::string::npos) return set_option(key, value, place);
    try {
      add_range(key.substr(0, dot), key.substr(dot + 1), parse_range(value), place, from_file);
    } catch (const ConfigError& error) {
      const std::string what = error.what();
      throw ConfigError(what.starts_with(place) ? what : str(place, ": ", what));
    }
  }

  void set_option(const std::string& key, std::string value, const std::string& place) {
    const auto fields = config::fields_of(search_.options);
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.spelt(key); });
    if (field == fields.end()) {
      std::vector<std::string> names;
      for (const auto& f : fields) names.emplace_back(f.key.name);
      throw ConfigError(
          str(place, ": unknown key", did_you_mean(key, names), " (a searched one is written SECTION.key)"));
    }
    if (field->key.name == "sampler" && same_name(value, "bcap")) {
      search_.notes.push_back(place +
                              " is taken as random: its Bayesian sampler is not built; halving is the other choice");
      value = "random";
    }
    if (!config::assign(value, field->key, field->slot))
      throw ConfigError(str(place, ": expected ", config::wanted(field->key, field->slot)));
    if (field->key.name == "pruner" && !same_name(value, "none"))
      search_.notes.push_back(place + " is ignored: sampler = halving stops poor trials early");
  }

  /// Checks each value that the range's ends or choices are against the table of keys.
  void add_range(const std::string& section, const std::string& key, const Range& range, const std::string& place,
                 bool from_file) {
    const std::string id = draft_.id_of(section, key);
    const bool numbers = range.kind != Range::Kind::kChoice;
    std::vector<std::string> values = numbers ? range.grid(2) : range.choices;
    if (numbers) values.push_back(range.at(0.37));  // not whole, if fractions may come
    for (const auto& value : values) draft_.set(section, key, value, place, false);
    if (same_name(section, "DATA") || std::find(kFixed.begin(), kFixed.end(), id) != kFixed.end())
      throw ConfigError(place + ": cannot be searched");
    const auto same = [&](const SearchedKey& k) { return draft_.id_of(k.section, k.key) == id; };
    const auto known = std::find_if(search_.keys.begin(), search_.keys.end(), same);
    if (known != search_.keys.end() && from_file) throw ConfigError(str(place, ": the key is given twice"));
    if (known != search_.keys.end())
      known->range = range;
    else
      search_.keys.push_back({section, key, range});
  }

  bool has(const std::string& id) const {
    return std::any_of(search_.keys.begin(), search_.keys.end(),
                       [&](const auto& k) { return draft_.id_of(k.section, k.key) == id; });
  }

  /// Which section's activation is that of the generator.
  static std::string_view section_of(const GeneratorOptions& generator) {
    return generator.seq.use() ? "SEQ" : generator.cnn.use ? "CNN" : "GeneratorModel";
  }

  void add_usual_ranges(const GeneratorOptions& generator) {
    if (search_.keys.empty() && wanted_.empty()) {
      for (const auto& row : kUsualRanges) {
        const bool of_generator = row.section != "EbmModel" && row.key.ends_with("activation");
        if (!of_generator || row.section == section_of(generator)) add_usual(row);
      }
      search_.notes.emplace_back("[TUNING] names no ranges: those of the reference's program are searched");
    }
    for (const auto& [id, where] : wanted_) {
      if (has(id)) continue;
      if (id == "OPTIMIZER.decay") {  // the reference's word for none
        search_.notes.push_back(where + ": [OPTIMIZER] decay = NaN is taken as 0");
        continue;
      }
      if (id == "GeneratorModel.base_activation" && section_of(generator) != "GeneratorModel") {
        const std::string own = str(section_of(generator), ".activation");
        search_.notes.push_back(str(where, ": this generator is no KAN: ", own, " is searched"));
        if (!has(own)) add_usual({section_of(generator), "activation", kActivations});
        continue;
      }
      const auto usual = [&, &wanted = id](const UsualRange& r) { return draft_.id_of(r.section, r.key) == wanted; };
      const auto row = std::find_if(kUsualRanges.begin(), kUsualRanges.end(), usual);
      if (row == kUsualRanges.end())
        throw ConfigError(str(where, ": ", id, " = NaN: expected its range in [TUNING], such as log 1e-4 1e-2"));
      add_usual(*row);
    }
  }

  void add_usual(const UsualRange& row) {
    add_range(std::string(row.section), std::string(row.key), parse_range(row.range), "configuration", true);
  }

  Search search_;
  Draft draft_;                                              // only looked up and tried on
  std::vector<std::pair<std::string, std::string>> wanted_;  // ids given as NaN, and where
};

/// Number of the grid's points, up to a bound that no search reaches.
int64_t grid_size(const Search& search) {
  constexpr int64_t kMany = int64_t{1} << 40;
  int64_t size = 1;
  for (const auto& k : search.keys)
    size = std::min(kMany, size * static_cast<int64_t>(k.range.grid(search.options.grid_points).size()));
  return size;
}

double uniform(uint64_t seed, int64_t step, size_t index) {
  return Rng(seed).bits(Stream::kSearch, step, static_cast<int64_t>(index)) / 0x1p32;
}

/// Point of the grid for a trial: the points in order, the last key fastest, or distinct random ones of a larger grid.
int64_t grid_point(const Search& search, uint64_t seed, int64_t trial) {
  const int64_t size = grid_size(search);
  if (size <= search.options.trials) return trial;
  std::set<int64_t> points;
  for (int64_t step = 0;; ++step) {
    // Two words, as one does not reach all points of a large grid.
    const double u = uniform(seed, step, 0) + uniform(seed, step, 1) * 0x1p-32;
    const int64_t point = std::min(size - 1, static_cast<int64_t>(u * static_cast<double>(size)));
    if (points.insert(point).second && static_cast<int64_t>(points.size()) > trial) return point;
  }
}

/// What `auto` means, and which metrics the model has.
void settle_metric(std::string& metric, const Config& base) {
  const BaselineRow* baseline = find_baseline(base.run.mode);
  const bool density = baseline == nullptr || baseline->density, text = base.model.generator.seq.use();
  const bool normalised = baseline ? baseline->normalised : !base.model.prior.is_deep();
  if (metric == "auto") metric = !density ? "fid" : normalised ? "loglik" : "ais";
  const auto refuse = [&](const char* why, const char* expected) {
    throw ConfigError(str("[TUNING] metric = ", metric, ": ", why, "; expected ", expected));
  };
  if (!density && metric != "fid" && metric != "loss") refuse("this model has no density p(x|z)", "fid or loss");
  if (metric == "loglik" && !normalised) refuse("a deep prior has no normaliser", "ais, reconstruction, fid or loss");
  if (text && (metric == "reconstruction" || metric == "fid")) refuse("the data are text", "loglik, ais or loss");
}

}  // namespace

Search load_search(const std::string& path, const std::vector<Override>& overrides, const Config& base) {
  Search search = Reader().read(path, overrides, base);
  settle_metric(search.options.metric, base);
  return search;
}

int64_t trial_count(const Search& search) {
  if (search.options.sampler != "grid") return search.options.trials;
  return std::min(search.options.trials, grid_size(search));
}

std::vector<Override> trial_values(const Search& search, uint64_t seed, int64_t trial) {
  std::vector<Override> values;
  const bool is_grid = search.options.sampler == "grid";
  int64_t point = is_grid ? grid_point(search, seed, trial) : 0;
  for (size_t i = search.keys.size(); i-- > 0;) {
    const auto& k = search.keys[i];
    std::string value;
    if (is_grid) {
      const auto grid = k.range.grid(search.options.grid_points);
      value = grid[static_cast<size_t>(point) % grid.size()];
      point /= static_cast<int64_t>(grid.size());
    } else {
      value = k.range.at(uniform(seed, trial, i));
    }
    values.insert(values.begin(),
                  {k.section, k.key, value, str("trial ", trial, ": ", k.section, ".", k.key, "=", value)});
  }
  return values;
}

std::vector<Round> rounds_of(const Search& search, int64_t steps) {
  const auto& o = search.options;
  const int64_t trials = trial_count(search);
  if (o.sampler != "halving") return {{trials, steps}};
  std::vector<Round> rounds = {{trials, steps}};
  int64_t share = 1;
  while (rounds.back().trials > 1 && steps / (share * o.eta) >= std::max<int64_t>(1, o.min_steps)) {
    share *= o.eta;
    rounds.push_back({(rounds.back().trials + o.eta - 1) / o.eta, 0});
  }
  for (auto& round : rounds) round.steps = steps / share, share /= o.eta;
  return rounds;
}

std::string to_ini(const Search& search) {
  TuningOptions options = search.options;
  std::string text = "[TUNING]\n";
  for (const auto& f : config::fields_of(options)) text += str(f.key.name, " = ", config::print(f.slot), "\n");
  for (const auto& k : search.keys) text += str(k.section, ".", k.key, " = ", to_text(k.range), "\n");
  return text;
}

}  // namespace kaem
