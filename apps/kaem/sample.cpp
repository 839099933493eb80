#include <ATen/ATen.h>

#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>

#include "commands.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/data/text.h"
#include "kaem/export/draws.h"
#include "kaem/export/interpolate.h"
#include "kaem/io/file.h"
#include "kaem/io/image.h"
#include "kaem/io/npy.h"
#include "kaem/train/trainer.h"

namespace kaem::app {
namespace {

struct SampleArguments {
  std::string run, count = "64", latents, path = "cdf";
  std::vector<std::string> interpolate;
};

constexpr const char* kSampleExamples = R"(
Examples:
  kaem sample last -n 64 --out samples.png
  kaem sample runs/MNIST/vanilla/short -n 1000 --out samples.npy --latents z.npy --seed 7
  kaem sample last -n 10 --interpolate 0,5 --interpolate 3,8 --path all --out paths.png
  kaem sample last -n 16                                     a run on text: lines of words (--out F.txt or F.npy))";

/// Two indices of draws, as in --interpolate 0,5.
using Pair = std::pair<int64_t, int64_t>;

Pair ends_of(const std::string& text) {
  const size_t comma = text.find(',');
  if (comma == std::string::npos) throw UsageError(str("--interpolate ", text, ": expected two numbers of draws A,B"));
  const auto index = [&](const std::string& part) {
    return integer_of(str("--interpolate ", text, ": draw"), part, 0, std::numeric_limits<int32_t>::max());
  };
  return {index(text.substr(0, comma)), index(text.substr(comma + 1))};
}

/// The ways that --path names: one, or all.
std::vector<std::string> paths_of(const std::string& text) {
  const std::vector<std::string> known = exports::path_names();
  if (text == "all") return known;
  if (std::find(known.begin(), known.end(), text) == known.end()) {
    std::vector<std::string> words = known;
    words.emplace_back("all");
    throw UsageError(unknown_name_message("--path", text, words));
  }
  return {text};
}

void check_out(const std::string& out) {
  if (!out.empty() && !out.ends_with(".png") && !out.ends_with(".npy") && !out.ends_with(".txt"))
    throw UsageError(str("--out ", out, ": expected a name that ends in .png or .npy (of text: .txt or .npy)"));
}

/// The name to write to; nothing: lines of words go to standard output.
std::string out_of(const LoadedRun& run, const std::string& given) {
  const bool text = exports::is_text(run);
  const std::string out = given.empty() && !text ? "samples.png" : given;
  const std::string own = text ? ".txt" : ".png";
  if (!out.empty() && !out.ends_with(own) && !out.ends_with(".npy"))
    throw UsageError(str("--out ", out, ": expected a name that ends in ", own, " or .npy"));
  return out;
}

/// `columns`: of a picture; 0: a square one.
void write_samples(const std::string& out, const at::Tensor& samples, const LoadedRun& run, int64_t columns) {
  if (out.ends_with(".npy")) return io::write_npy(out, samples);
  if (!exports::is_text(run)) return io::write_png_grid(out, samples, columns);
  std::string lines;
  for (const auto& line : to_lines(samples, run.vocabulary)) lines.append(line).append("\n");
  if (out.empty())
    std::cout << lines;
  else
    io::write_file_atomic(out, lines);
}

/// "64 samples"; of interpolations "4 rows of 10 samples between two draws (linear, cdf, a row each; for each of 2
/// pairs)".
std::string what_of(int64_t count, size_t pairs, const std::vector<std::string>& paths) {
  const std::string samples = str(count, " samples");
  if (pairs == 0) return samples;
  const size_t rows = pairs * paths.size();
  if (rows == 1) return samples + " between two draws";
  return str(rows, " rows of ", samples, " between two draws (", paths.size() > 1 ? listed(paths) + ", a row each" : "",
             paths.size() > 1 && pairs > 1 ? "; " : "", pairs > 1 ? str("for each of ", pairs, " pairs") : "", ")");
}

void sample(const SampleArguments& a, const Common& common) {
  check_out(common.out);
  check_targets({{"--out", common.out}, {"--latents", a.latents}});
  if (!a.latents.empty() && !a.latents.ends_with(".npy"))
    throw UsageError(str("--latents ", a.latents, ": expected a name that ends in .npy"));
  const int64_t count = integer_of("-n", a.count, 1, 10000000);
  std::vector<Pair> pairs;
  for (const auto& text : a.interpolate) pairs.push_back(ends_of(text));
  std::vector<std::string> paths = paths_of(a.path);
  if (pairs.empty() && a.path != "cdf")
    throw UsageError(str("--path ", a.path, ": expected --interpolate A,B with it"));
  prepare_threads(common);
  const at::NoGradGuard no_grad;
  LoadedRun run = load_run(a.run, common.device.empty() ? "auto" : common.device);
  if (a.path == "all") paths = exports::paths_of(run);
  const std::string out = out_of(run, common.out);
  const Rng rng(seed_of(common, run.config.run.seed));
  const bool keep = !a.latents.empty();
  const exports::Draws draws =
      pairs.empty() ? exports::draw(run, rng, count, keep)
                    : exports::draw_from(run, rng, exports::latents_between_draws(run, rng, pairs, paths, count), keep);
  write_samples(out, draws.samples, run, pairs.empty() ? 0 : count);
  if (!out.empty())
    std::cout << out << ": " << what_of(count, pairs.size(), paths) << " of " << run.folder << " after update "
              << run.step << "\n";
  if (a.latents.empty()) return;
  io::write_npy(a.latents, draws.latents);
  if (!out.empty())
    std::cout << a.latents << ": their latents, float32 " << shape_text(draws.latents.sizes().slice(1)) << " each\n";
}

}  // namespace

Command add_sample(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("sample", "Draw samples from a trained run");
  const auto a = std::make_shared<SampleArguments>();
  app->add_option("RUN", a->run, "Folder of a run, or last");
  app->add_option("-n,--count", a->count, "Number of samples (64)")->type_name("N");
  app->add_option("--latents", a->latents, "Also write the latents, float32 [N,Q,P]; [N,Q] of a mixture or deep prior")
      ->type_name("F.npy");
  app->add_option("--interpolate", a->interpolate, "N samples on the way from draw A to draw B, a row (repeatable)")
      ->type_name("A,B")
      ->allow_extra_args(false);
  app->add_option(
         "--path", a->path,
         "The way: straight, along a great circle, or (cdf, the default) by the prior's distribution functions")
      ->type_name("linear|slerp|cdf|all");
  app->footer(kSampleExamples);
  const auto run = [a, &common] {
    if (a->run.empty())
      throw UsageError("kaem sample: expected a RUN (a run's folder, or last); see kaem sample --help");
    sample(*a, common);
  };
  return {app, run, {"device", "threads", "seed", "out", "log", "deterministic", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
