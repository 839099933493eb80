// Completion and manual page, made from the commands' own declarations: what --help prints.
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>

#include "commands.h"
#include "kaem/config/config.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/options.h"
#include "kaem/diagnose/diagnose.h"
#include "kaem/evaluate/evaluation.h"
#include "kaem/export/format.h"
#include "kaem/train/version.h"

namespace kaem::app {
namespace {

constexpr const char* kCompletionExamples = R"(
Examples:
  source <(kaem completion bash)                                 bash, for this shell
  kaem completion bash > ~/.local/share/bash-completion/completions/kaem
  kaem completion zsh > ~/.zfunc/_kaem                           zsh; ~/.zfunc must stand in fpath before compinit
  kaem completion man > kaem.1 && man ./kaem.1                   the manual page)";

/// Options that help lists.
std::vector<const CLI::Option*> options_of(const CLI::App& command) {
  std::vector<const CLI::Option*> options;
  for (const auto* option : command.get_options())
    if (!option->get_group().empty()) options.push_back(option);
  return options;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

std::vector<const CLI::App*> commands_of(const CLI::App& program) {
  return program.get_subcommands([](const CLI::App*) { return true; });
}

using Words = std::vector<std::string>;

std::vector<std::string> with_all(Words words) {
  words.emplace_back("all");
  return words;
}

/// What may stand behind an option, where it is one of a few words.
std::map<std::string, Words> values() {
  Words keys;
  for (const auto& name : key_names())
    if (name.find('.') != std::string::npos) keys.push_back(name + "=");
  return {{"--dataset", dataset_names()},
          {"--against", dataset_names()},
          {"--mode", run_modes()},
          {"--metrics", with_all(evaluate::metric_names())},
          {"--parts", with_all(diagnose::part_names())},
          {"--to", exports::format_names()},
          {"--device", {"auto", "cpu", "cuda"}},
          {"--log", {"text", "json"}},
          {"--set", keys}};
}

/// What the word behind a command may be, of commands that take no run and no file.
std::map<std::string, Words> arguments(const CLI::App& program) {
  Words topics = key_names();
  for (const auto* command : commands_of(program)) topics.push_back(command->get_name());
  return {{"help", topics}, {"completion", {"bash", "zsh", "man"}}, {"data", {"list", "fetch", "verify"}}};
}

void print_bash(const CLI::App& program) {
  std::vector<std::string> names;
  for (const auto* command : commands_of(program)) names.push_back(command->get_name());
  std::cout << "# Completion of kaem for bash; made by kaem completion bash\n_kaem() {\n"
               "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=\n  COMPREPLY=()\n"
               "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W '"
            << CLI::detail::join(names, " ")
            << " --help --version' -- \"$current\"))\n    return\n  fi\n  case $previous in\n";
  for (const auto& [option, words] : values())
    std::cout << "    " << option << ") words='" << CLI::detail::join(words, " ") << "' ;;\n";
  std::cout << "  esac\n  if [ -n \"$words\" ]; then\n    local before=\n"  // of a list, behind its last comma
               "    if [[ $current == *,* ]]; then before=${current%,*},; fi\n"
               "    COMPREPLY=($(compgen -P \"$before\" -W \"$words\" -- \"${current##*,}\"))\n"
               "    if [ \"$previous\" = --set ]; then compopt -o nospace; fi\n    return\n  fi\n";
  if (const auto second = arguments(program); !second.empty()) {
    std::cout << "  if [ \"$COMP_CWORD\" -eq 2 ] && [[ $current != -* ]]; then\n    case ${COMP_WORDS[1]} in\n";
    for (const auto& [command, words] : second)
      std::cout << "      " << command << ") COMPREPLY=($(compgen -W '" << CLI::detail::join(words, " ")
                << "' -- \"$current\")); return ;;\n";
    std::cout << "    esac\n  fi\n";
  }
  std::cout << "  if [[ $current != -* ]]; then  # a run, or a file by bash's own rules\n"
               "    COMPREPLY=($(compgen -W 'last' -- \"$current\") $(compgen -d -- \"$current\"))\n    return\n  fi\n"
               "  case ${COMP_WORDS[1]} in\n";
  for (const auto* command : commands_of(program)) {
    std::vector<std::string> options;
    for (const auto* option : options_of(*command))
      for (const auto& name : option->get_lnames()) options.push_back("--" + name);
    std::cout << "    " << command->get_name() << ") words='" << CLI::detail::join(options, " ") << "' ;;\n";
  }
  std::cout << "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n}\n"
               "complete -o bashdefault -o default -F _kaem kaem\n";
}

/// Text inside the quotes and brackets of zsh's _arguments.
std::string in_zsh(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '\'')
      safe += "'\\''";
    else if (c == '[' || c == ']' || c == ':')
      safe.append("\\").append(1, c);
    else
      safe += c;
  }
  return safe;
}

void print_zsh(const CLI::App& program) {
  std::cout
      << "#compdef kaem\n# Completion of kaem for zsh; made by kaem completion zsh\n_kaem() {\n  local -a commands\n"
         "  commands=(\n";
  for (const auto* command : commands_of(program))
    std::cout << "    '" << command->get_name() << ":" << in_zsh(command->get_description()) << "'\n";
  std::cout << "  )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
               "  local command=$words[2]\n  shift words; (( CURRENT-- ))\n  case $command in\n";
  const auto words = values(), second = arguments(program);
  for (const auto* command : commands_of(program)) {
    std::cout << "    " << command->get_name() << ")\n      _arguments \\\n";
    for (const auto* option : options_of(*command))
      for (const auto& name : option->get_lnames()) {
        std::cout << "        '--" << name << "[" << in_zsh(option->get_description()) << "]";
        if (takes_value(*option)) {
          const auto found = words.find("--" + name);
          const bool list = name == "metrics" || name == "parts";
          std::cout << ":" << in_zsh(option->get_type_name()) << ":";
          if (found == words.end())
            std::cout << "_files";
          else
            std::cout << (list ? str("_values -s , ", name, " ") : "(") << CLI::detail::join(found->second, " ")
                      << (list ? "" : ")");
        }
        std::cout << "' \\\n";
      }
    if (const auto found = second.find(command->get_name()); found != second.end())
      std::cout << "        '1:word:(" << CLI::detail::join(found->second, " ") << ")' \\\n";
    std::cout << "        '*:run or file:_files' ;;\n";
  }
  std::cout << "  esac\n}\nif [ \"$funcstack[1]\" = _kaem ]; then _kaem \"$@\"; else compdef _kaem kaem; fi\n";
}

/// Text of a manual page: no line may begin with a dot or an apostrophe, a dash is a minus.
std::string in_roff(const std::string& text) {
  std::string safe;
  bool fresh = true;
  for (const char c : text) {
    if (fresh && (c == '.' || c == '\'')) safe += "\\&";
    if (c == '\\')
      safe += "\\e";
    else if (c == '-')
      safe += "\\-";
    else
      safe += c;
    fresh = c == '\n';
  }
  return safe;
}

void print_options(const CLI::App& command) {
  for (const auto* option : options_of(command)) {
    std::string name = option->get_name(option->get_lnames().empty(), true);
    std::cout << ".TP\n\\fB" << in_roff(name) << "\\fR";
    if (takes_value(*option) && !option->get_lnames().empty())
      std::cout << " \\fI" << in_roff(option->get_type_name()) << "\\fR";
    std::cout << "\n" << in_roff(option->get_description()) << "\n";
  }
}

/// The examples below a command's help, as they are.
void print_footer(const std::string& footer) {
  if (!footer.empty()) std::cout << ".PP\n.nf\n" << in_roff(footer.substr(footer.find_first_not_of('\n'))) << "\n.fi\n";
}

void print_manual(const CLI::App& program) {
  std::cout << ".TH KAEM 1 \"\" \"kaem " << version() << "\" \"User Commands\"\n.SH NAME\nkaem \\- "
            << in_roff(program.get_description())
            << "\n.SH SYNOPSIS\n.B kaem\n\\fICOMMAND\\fR [\\fIOPTION\\fR]...\n.SH COMMANDS\n";
  for (const auto* command : commands_of(program))
    std::cout << ".TP\n\\fB" << command->get_name() << "\\fR\n" << in_roff(command->get_description()) << "\n";
  for (const auto* command : commands_of(program)) {
    std::string title = command->get_name();
    std::cout << ".SH " << title << "\n" << in_roff(command->get_description()) << ".\n";
    print_options(*command);
    print_footer(command->get_footer());
  }
  std::cout << ".SH EXAMPLES AND EXIT STATUS\n";
  print_footer(program.get_footer());
  std::cout
      << ".SH ENVIRONMENT\n.TP\n\\fBKAEM_DATA_DIR\\fR\nFolder of the data sets where \\-\\-data\\-dir is not given.\n"
         ".TP\n\\fBNO_COLOR\\fR\nIf set, messages have no colours.\n"
         ".TP\n\\fBXDG_CACHE_HOME\\fR\nFolder of what is made once (else ~/.cache).\n";
}

void completion(const CLI::App& program, const std::string& what) {
  if (what == "bash") return print_bash(program);
  if (what == "zsh") return print_zsh(program);
  if (what == "man") return print_manual(program);
  throw UsageError(str("kaem completion ", what, what.empty() ? "" : ": ", "expected bash, zsh or man"));
}

}  // namespace

Command add_completion(CLI::App& program, const Common&) {
  CLI::App* app = program.add_subcommand("completion", "Print completion for a shell, or the manual page");
  const auto what = std::make_shared<std::string>();
  app->add_option("WHAT", *what, "bash, zsh or man");
  app->footer(kCompletionExamples);
  return {app, [&program, what] { completion(program, *what); }, {}};
}

}  // namespace kaem::app
