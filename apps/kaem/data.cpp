#include "kaem/data/dataset.h"

#include <iomanip>
#include <iostream>
#include <memory>

#include "commands.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"

namespace kaem::app {
namespace {

struct DataArguments {
  std::string action, name;
};

constexpr const char* kDataExamples = R"(
Examples:
  kaem data list
  kaem data fetch MNIST --data-dir ~/data
  kaem data verify MNIST)";

void list(const std::string& root) {
  std::cout << "data sets below " << root << "\n";
  for (const auto& info : list_datasets(root)) {
    std::cout << std::left << "  " << std::setw(13) << info.name << std::setw(11) << info.state << info.description
              << "\n";
    for (size_t i = 0; i < info.files.size(); ++i)
      if (i == 0 || info.files[i] != info.files[i - 1] || info.found[i] != info.found[i - 1])
        std::cout << "      " << std::setw(30) << info.files[i] << (info.found[i].empty() ? "-" : info.found[i])
                  << "\n";
  }
}

/// The data set's name as the program spells it.
std::string dataset_of(const DataArguments& a) {
  if (a.name.empty()) throw UsageError(str("kaem data ", a.action, ": expected the NAME of a data set"));
  return std::string(dataset_traits(a.name).name);
}

void fetch(const DataArguments& a, const Common& common) {
  const std::string name = dataset_of(a), root = data_dir_of(common);
  if (common.offline) throw UsageError("kaem data fetch: --offline forbids downloads");
  fetch_dataset(name, root, show_progress());
  log::set_status_line("");
  for (const auto& info : list_datasets(root)) {
    if (info.name != name) continue;
    if (info.files.empty())
      std::cout << name << ": nothing to download, "
                << (info.state == "--data-dir" ? "--data-dir names the data" : "the program makes these data itself")
                << "\n";
    for (const auto& path : info.found)
      if (!path.empty()) std::cout << path << "\n";
  }
}

void run_data(const DataArguments& a, const Common& common) {
  if (a.action == "list" && !a.name.empty()) throw UsageError("kaem data list: takes no NAME; it lists all");
  if (a.action == "list") return list(data_dir_of(common));
  if (a.action == "fetch") return fetch(a, common);
  if (a.action == "verify") {
    verify_dataset(dataset_of(a), data_dir_of(common),
                   [](const std::string& line) { std::cout << log::printable(line) << std::endl; });
    return;
  }
  if (a.action.empty()) throw UsageError("kaem data: expected list, fetch NAME or verify NAME");
  throw UsageError("kaem data: " + unknown_name_message("action", a.action, {"list", "fetch", "verify"}));
}

}  // namespace

Command add_data(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("data", "List, download and check data sets");
  const auto a = std::make_shared<DataArguments>();
  app->add_option("ACTION", a->action, "list, fetch or verify");
  app->add_option("NAME", a->name, "Data set");
  app->footer(kDataExamples);
  return {app, [a, &common] { run_data(*a, common); }, {"data-dir", "offline", "log", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
