#pragma once

#include <string>
#include <vector>

#include "commands.h"
#include "kaem/config/tuning.h"

/// What `kaem tune` is about to do.
namespace kaem::app {

struct TuneArguments {
  std::string dataset, mode, config;
  bool resume = false;
};

/// Configuration, ranges and folder of a search.
struct TunePlan {
  std::string source;
  std::vector<Override> overrides;
  Config base;
  Search search;
  std::vector<Round> rounds;
  std::string folder;
};

/// From the command line to a search; UsageError or ConfigError for what cannot be.
TunePlan make_tune_plan(const TuneArguments& a, const Common& common);

/// Reads the data once: fewer training records than N_train make shorter rounds than the plan's.
void fit_rounds(TunePlan& plan, const Common& common);

/// All that decides the results: a search goes on only if this has not changed.
std::string plan_text(const TunePlan& plan);

void print_tune_plan(const TunePlan& plan);

}  // namespace kaem::app
