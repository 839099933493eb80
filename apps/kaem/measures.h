#pragma once

#include <string>
#include <vector>

#include "commands.h"
#include "kaem/evaluate/evaluation.h"

/// What is measured of runs, and with how much care: options that evaluate and compare share.
namespace kaem::app {

struct MeasureArguments {
  std::string metrics, methods = "is,ais", count = "100", samples = "10000", chains = "10", levels = "500",
                       kernel = "mala", generated = "10000", features, statistics, against;
};

void add_measure_options(CLI::App& app, MeasureArguments& a);

/// UsageError that names the option.
evaluate::Options options_of(const MeasureArguments& a);

/// The metrics asked for, in the table's order for `all`; `more` are added where they are missing.
std::vector<evaluate::Metric> metrics_of(const MeasureArguments& a, const std::vector<std::string>& more = {});

}  // namespace kaem::app
