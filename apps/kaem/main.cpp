#include <c10/util/Exception.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <new>

#include "commands.h"
#include "help_format.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/memory.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/train/version.h"

namespace kaem::app {
namespace {

constexpr const char* kExamples = R"(
Examples:
  kaem train --dataset DARCY_FLOW                      a first run; its data are computed, not downloaded
  kaem train --dataset MNIST --set TRAINING.N_epochs=4 --name short
  kaem train --resume                                  go on with the newest run
  kaem sample last -n 64 --out samples.png
  kaem symbolic last                                   closed forms of the prior's energies
  kaem export last --to torchscript --out model.pt     for Python without kaem
  kaem jobs jobs.txt                                   runs one after another; --resume goes on
  kaem tune --dataset MNIST                            search over the ranges of [TUNING]
  kaem train --help-config                             every key of the configuration

Exit status: 0 done, 1 a run failed, 2 bad usage or configuration, 3 data missing or corrupt, 130/143 interrupted.)";

/// The command line as one could type it again.
std::string command_line(int argc, char** argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) line += str(i > 0 ? " " : "", shell_word(argv[i]));
  return line;
}

/// Long names of a command's options, with their dashes.
std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

/// Arguments that nothing took: a misspelt option before anything else, as its value is left over too.
void refuse_leftovers(const CLI::App& app, const std::string& name) {
  const auto left = app.remaining();
  if (left.empty()) return;
  const auto option =
      std::find_if(left.begin(), left.end(), [](const auto& word) { return word.starts_with('-') && word != "--"; });
  const std::string word = option != left.end() ? *option : left.front();
  const std::string spelling = word.substr(0, word.find('='));
  if (const std::string key = option != left.end() ? key_of_other_programs(spelling) : ""; !key.empty())
    throw UsageError(str(name, ": unknown option '", spelling, "'; here it is --set ", key, "=..."));
  const std::string hint = option != left.end() ? did_you_mean(spelling, option_names(app)) : "";
  throw UsageError(str(name, ": ", option != left.end() ? "unknown option '" : "unexpected argument '", spelling, "'",
                       hint.empty() ? str("; see ", name, " --help") : hint));
}

/// `--seed ""` and `--seed=`, which is what a script makes of a variable without a value.
void refuse_empty_values(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i], before = argv[i - 1];
    if (word.starts_with("--") && word.find('=') + 1 == word.size())
      throw UsageError(str("kaem: ", word.substr(0, word.size() - 1), ": the value is missing"));
    if (word.empty() && before.starts_with('-')) throw UsageError(str("kaem: ", before, ": the value is missing"));
  }
}

[[noreturn]] void refuse_command(const CLI::App& program, const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const auto& command : commands) names.push_back(command.app->get_name());
  const auto left = program.remaining();
  if (left.empty())
    throw UsageError("no command given; one of: " + CLI::detail::join(names, " ") + " (see kaem --help)");
  if (left.front().starts_with('-')) refuse_leftovers(program, "kaem");
  throw UsageError(unknown_name_message("command", left.front(), names));
}

/// Common options that this command accepts but does nothing with.
void warn_unused(const Command& command) {
  for (const auto* option : command.app->get_options()) {
    if (!option->get_group().empty() || option->count() == 0) continue;  // help lists it: it has an effect
    const std::string name = option->get_lnames().front();
    if (name == "dry-run")  // nothing must happen that was not to happen
      throw UsageError(str("kaem ", command.app->get_name(), ": has no --dry-run"));
    log::warn(str("--", name, " has no effect on ", command.app->get_name()));
  }
}

void print_memory(int64_t at_start) {
  const auto megabytes = [](int64_t bytes) { return grouped(bytes / 1000000); };
  std::cout << "memory: peak " << megabytes(peak_resident_bytes()) << " MB, of which " << megabytes(at_start)
            << " MB were there once LibTorch was loaded\n";
}

void check_written() {
  std::cout.flush();
  if (!std::cout) throw Error("cannot write to standard output (is the disk full?)");
}

int run(int argc, char** argv) {
  const int64_t at_start = resident_bytes();
  CLI::App program("Kolmogorov-Arnold Energy Models: train them, sample from them, look inside them.", "kaem");
  Common common;
  common.command_line = command_line(argc, argv);
  program.footer(kExamples);
  program.set_version_flag("--version", str("kaem ", version(), " (LibTorch ", libtorch_version(), ")"));
  program.allow_extras();
  program.require_subcommand(0, 1);                   // behind one, a word such as `train` is an argument
  program.formatter(std::make_shared<HelpFormat>());  // subcommands inherit it
  std::vector<Command> commands;
#define KAEM_ROW(name) add_##name,
  for (const auto add : {KAEM_COMMANDS(KAEM_ROW)}) {
#undef KAEM_ROW
    commands.push_back(add(program, common));
    add_common_options(*commands.back().app, common, commands.back().uses);
    commands.back().app->allow_extras();
  }
  refuse_empty_values(argc, argv);
  try {
    program.parse(argc, argv);
  } catch (const CLI::Success& done) {
    const int status = program.exit(done);
    check_written();
    return status;
  } catch (const CLI::ParseError& error) {
    const std::string text = error.what();
    const size_t most = text.find(": At Most ");
    throw UsageError(most == std::string::npos ? text : text.substr(0, most) + ": given more than once");
  }
  for (const auto& command : commands) {
    if (!command.app->parsed()) continue;
    refuse_leftovers(program, "kaem");
    refuse_leftovers(*command.app, "kaem " + command.app->get_name());
    prepare_log(common);
    warn_unused(command);
    command.run();
    if (common.memory) print_memory(at_start);
    check_written();
    return 0;
  }
  refuse_command(program, commands);
}

/// LibTorch's messages go on with where they come from. Its allocator's is a sentence on the source of LibTorch.
std::string first_line(const std::string& text) {
  constexpr std::string_view kRefused = "can't allocate memory: you tried to allocate ";
  if (const size_t at = text.find(kRefused); at != std::string::npos) {
    const int64_t bytes = std::strtoll(text.c_str() + at + kRefused.size(), nullptr, 10);
    return str("out of memory: ", grouped(bytes / 1000000 + 1), " MB more were needed at once");
  }
  const std::string line = text.substr(0, text.find('\n'));
  return line.empty() ? "an error without a message" : line;
}

/// Whether messages were asked for as JSON: errors of the command line itself come before it is read.
bool wants_json(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "--log=json" ||
        (i + 1 < argc && std::string_view(argv[i]) == "--log" && std::string_view(argv[i + 1]) == "json"))
      return true;
  return false;
}

/// One line on standard error.
int report(std::string message, int status, bool json) {
  log::set_status_line("");
  message = log::printable(message);
  std::cout.flush();
  if (json) {
    log::set_format(log::Format::kJson), log::set_file(""), log::error(message);
    return status;
  }
  // Messages on a command begin with its name.
  std::fprintf(stderr, "%s%s\n",
               message.starts_with("kaem ") || message.starts_with("kaem:") ? "" : "kaem: ", message.c_str());
  return status;
}

}  // namespace
}  // namespace kaem::app

int main(int argc, char** argv) {
  using kaem::app::first_line;
  const bool json = kaem::app::wants_json(argc, argv);
  const auto report = [json](const std::string& message, int status) {
    return kaem::app::report(message, status, json);
  };
  std::signal(SIGXFSZ, SIG_IGN);  // a write beyond a limit of file sizes is an error like that of a full disk
  try {
    return kaem::app::run(argc, argv);
  } catch (const kaem::Error& error) {
    return report(error.what(), error.exit_status());
  } catch (const c10::Error& error) {
    return report(first_line(error.what_without_backtrace()), 1);
  } catch (const std::bad_alloc&) {
    return report("out of memory", 1);
  } catch (const std::exception& error) {
    return report(first_line(error.what()), 1);
  }
}
