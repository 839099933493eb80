#include <iostream>
#include <memory>

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
  kaem help chain_start             the same without its section)";

void print_key(const KeyHelp& key) {
  std::cout << "[" << key.section << "] " << key.name;
  if (!key.aliases.empty()) std::cout << " (also " << key.aliases << ")";
  std::cout << "\n  " << wrapped(key.meaning, output_columns() - 2, 2) << "\n  takes    " << key.takes
            << "\n  default  " << key.standard << "\n  example  --set " << key.section << "." << key.ascii << "="
            << key.standard << "\n";
}

void help(CLI::App& program, const std::string& word) {
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
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i > 0) std::cout << "\n";
    print_key(keys[i]);
  }
}

}  // namespace

Command add_help(CLI::App& program, const Common&) {
  CLI::App* app = program.add_subcommand("help", "Explain a command or one key of the configuration");
  const auto word = std::make_shared<std::string>();
  app->add_option("WORD", *word, "A command, SECTION.key or key");
  app->footer(kHelpExamples);
  return {app, [&program, word] { help(program, *word); }, {}};
}

}  // namespace kaem::app
