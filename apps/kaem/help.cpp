#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "help_format.h"
#include "kaem/config/config.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"

namespace kaem::app {
namespace {

constexpr const char* kHelpExamples = R"(
Examples:
  kaem help sample                  a command
  kaem help TRAINING.batch_size     a key of the configuration
  kaem help chain_start             the same without its section
  kaem help batch_size --dataset MNIST      and what a data set's own file says)";

struct HelpArguments {
  std::string word, dataset, mode;
};

/// What the keys have for a data set whose file stands in `config/`.
struct OfDataset {
  std::string name, path;
  std::vector<std::pair<std::string, std::string>> values;

  OfDataset(const std::string& dataset, const std::string& mode) : name(dataset) {
    if (dataset.empty()) return;
    path = default_config_path(dataset, mode);
    values = ini_values(to_ini(load_config(path, {}, dataset, mode)));
  }

  void print(const KeyHelp& key) const {
    if (name.empty()) return;
    const auto found = std::find_if(values.begin(), values.end(),
                                    [&](const auto& value) { return value.first == key.section + "." + key.name; });
    if (found == values.end())
      std::cout << "  " << name << " has no use for it\n";
    else
      std::cout << "  " << name << "  " << found->second << "  (" << path << ")\n";
  }
};

void print_key(const KeyHelp& key, const OfDataset& of_dataset) {
  std::cout << "[" << key.section << "] " << key.name;
  if (!key.aliases.empty()) std::cout << " (also " << key.aliases << ")";
  std::cout << "\n  " << wrapped(key.meaning, output_columns() - 2, 2) << "\n  takes    " << key.takes
            << "\n  default  " << key.standard << "\n";
  of_dataset.print(key);
  if (!key.example.empty())
    std::cout << "  example  --set " << key.section << "." << key.ascii << "=" << key.example << "\n";
}

void help(CLI::App& program, const HelpArguments& a) {
  const std::string& word = a.word;
  if (a.dataset.empty() && !a.mode.empty()) throw UsageError("kaem help: --mode needs --dataset");
  if (word.empty()) {
    std::cout << program.help();
    return;
  }
  std::vector<std::string> names;
  for (const auto* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
    if (command->get_name() != word) continue;
    std::cout << command->help("kaem");
    return;
  }
  auto keys = key_help(word);
  if (keys.empty()) {  // a section: its keys, a line each
    const auto section = section_help(word);
    for (const auto& key : section)
      std::cout << key.section << "." << key.ascii << "\n    " << wrapped(key.meaning, output_columns() - 4, 4) << "\n";
    if (!section.empty()) return;
  }
  if (keys.empty()) {
    for (auto& name : key_names()) names.push_back(std::move(name));
    const std::string hint = did_you_mean(word, names);
    throw UsageError(str("kaem help ", word, ": neither a command nor a key of the configuration",
                         hint.empty() ? "; kaem train --help-config lists all keys" : hint));
  }
  const OfDataset of_dataset(a.dataset, a.mode);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i > 0) std::cout << "\n";
    print_key(keys[i], of_dataset);
  }
}

}  // namespace

Command add_help(CLI::App& program, const Common&) {
  CLI::App* app = program.add_subcommand("help", "Explain a command or one key of the configuration");
  const auto a = std::make_shared<HelpArguments>();
  app->add_option("WORD", a->word, "A command, SECTION.key or key");
  app->add_option("--dataset", a->dataset, "Of a key: its value for this data set too")->type_name("NAME");
  app->add_option("--mode", a->mode, "The same in this mode")->type_name("MODE");
  app->footer(kHelpExamples);
  return {app, [&program, a] { help(program, *a); }, {}};
}

}  // namespace kaem::app
