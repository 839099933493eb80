#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "commands.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/export/format.h"

namespace kaem::app {
namespace {

using exports::Format;

struct ExportArguments {
  std::string run, format, bits, count;
};

constexpr const char* kExportExamples = R"(
Examples:
  kaem export last --to torchscript --out model.pt         for torch.jit.load
  kaem export last --to lut --bits 12 --out prior.npy
  kaem export last --to safetensors --out model.safetensors
  kaem export last --to h5 -n 10000 --out samples.h5)";

std::string file_of(const Format& format, const std::string& given) {
  if (given.empty()) return str(format.stem, format.endings.front());
  const auto fits = [&](const std::string& ending) { return given.ends_with(ending); };
  if (std::none_of(format.endings.begin(), format.endings.end(), fits))
    throw UsageError(str("--out ", given, ": expected a name that ends in ", listed(format.endings)));
  return given;
}

/// An option that is without effect on this format would be taken for one that has one.
void check_options(const Format& format, const ExportArguments& a, const Common& common) {
  for (const auto& [option, given] : {std::pair{"bits", a.bits}, {"count", a.count}, {"seed", common.seed}})
    if (!given.empty() && std::find(format.takes.begin(), format.takes.end(), option) == format.takes.end())
      throw UsageError(str("--", option, ": has no effect on --to ", format.name));
}

void export_run(const ExportArguments& a, const Common& common) {
  if (a.format.empty()) throw UsageError("--to: expected " + listed(exports::format_names()));
  const Format format = exports::format_of(a.format);
  check_options(format, a, common);
  exports::Options options;
  options.out = file_of(format, common.out);
  if (!a.bits.empty()) options.bits = integer_of("--bits", a.bits, exports::kLeastBits, exports::kMostBits);
  if (!a.count.empty()) options.count = integer_of("-n", a.count, 1, 10000000);
  check_target("--out", options.out);
  prepare_threads(common);
  const at::NoGradGuard no_grad;
  LoadedRun run = load_run(a.run, common.device.empty() ? "auto" : common.device);
  if (const std::string why = format.obstacle(run); !why.empty())
    throw UsageError(str("--to ", format.name, ": ", why));
  const std::string found = format.write(run, options, Rng(seed_of(common, run.config.run.seed)));
  std::cout << options.out << ": " << run.folder << " after update " << run.step << ": " << found;
}

}  // namespace

Command add_export(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("export", "Write a trained run for other programs");
  const auto a = std::make_shared<ExportArguments>();
  app->add_option("RUN", a->run, "Folder of a run, or last");
  std::string formats;
  for (const Format& format : exports::all_formats()) formats += str("\n", format.name, ": ", format.help);
  app->add_option("--to", a->format, "Format:" + formats)->type_name("FORMAT");
  app->add_option("--bits", a->bits, "lut: 2^N entries of N bits a component (12)")->type_name("N");
  app->add_option("-n,--count", a->count, "h5: samples (10000)")->type_name("N");
  app->footer(kExportExamples);
  const auto run = [a, &common] {
    if (a->run.empty())
      throw UsageError("kaem export: expected a RUN (a run's folder, or last); see kaem export --help");
    export_run(*a, common);
  };
  return {app, run, {"device", "threads", "seed", "out", "log", "deterministic", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
