#include <sstream>
#include <vector>

#include "apps/support.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

using Usage = Program;

TEST_F(Usage, VersionAndHelp) {
  const Outcome version = kaem("--version");
  EXPECT_EQ(version.status, 0);
  EXPECT_HAS(version.out, "kaem 0.");
  EXPECT_HAS(version.out, "LibTorch 2.");
  // "no command given; one of: train sample ... (see kaem --help)"
  const std::string list = refused("");
  std::istringstream words(list.substr(list.find("one of:") + 7));
  std::vector<std::string> commands = {""};
  for (std::string word; words >> word && word != "(see";) commands.push_back(word + " ");
  EXPECT_GE(commands.size(), 11U);
  for (const std::string& command : commands) {
    const Outcome help = kaem(std::string(command) + "--help");
    EXPECT_EQ(help.status, 0) << command;
    EXPECT_TRUE(help.err.empty()) << help.err;
    const bool has_examples = std::string(command) == "info " || help.out.find("Example") != std::string::npos;
    EXPECT_TRUE(has_examples) << help.out;
  }
  EXPECT_HAS(kaem("train --help").out, "--set SECTION.key=value");
  const int status = std::system((program() + " train --help >/dev/full 2>/dev/null").c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

TEST_F(Usage, CommandsAndOptionsGetTheNearestName) {
  EXPECT_HAS(refused(""), "no command given");
  EXPECT_HAS(refused("trian --dataset MNIST"), "command 'trian' is not known; did you mean 'train'?");
  EXPECT_HAS(refused("trian --dataset MNIST"), "did you mean 'train'?");
  EXPECT_HAS(refused("draw last"), "command 'draw' is not known");
  EXPECT_HAS(refused("train --datset MNIST"), "kaem train: unknown option '--datset'; did you mean '--dataset'?");
  EXPECT_HAS(refused("train --datset=MNIST"), "unknown option '--datset'; did you mean '--dataset'?");
  EXPECT_HAS(refused("sample last --latent z.npy"), "did you mean '--latents'?");
  EXPECT_HAS(refused("--quite train"), "unknown option '--quite'");
  EXPECT_HAS(refused("train --dataset MNIST extra"), "unexpected argument 'extra'");
  EXPECT_HAS(refused("train --dataset"), "--dataset");
  EXPECT_HAS(refused("train"), "expected --dataset");
  for (const char* option : {"--seed", "--threads", "--resize", "--name", "--resume"})
    EXPECT_HAS(refused(str("train --dataset MNIST ", option, " ''")), str("kaem: ", option, ": the value is missing"));
  EXPECT_HAS(refused("train --dataset="), "kaem: --dataset: the value is missing");
  EXPECT_HAS(refused("train --dataset MNIST --mode thermo --mode vanilla"), "--mode: given more than once");
  EXPECT_HAS(refused("sample last --dry-run"), "kaem sample: has no --dry-run");
  EXPECT_HAS(refused("sample last --out z.npy --latents z.npy"), "name the same file");
  EXPECT_HAS(refused("sample last --latents z.txt"), "ends in .npy");
  EXPECT_HAS(refused("prior last --out p.ini"), "ends in .csv");
  write("config.ini", ""), write("meta.json", "{}"), write("metrics.csv", "step\n"), write("scores.json", "{}");
  EXPECT_HAS(refused("prior last --out " + (folder / "metrics.csv").string()), "is a file of a run");
  EXPECT_HAS(refused("evaluate last --json " + (folder / "scores.json").string()),
             "no run");  // beside a run's own files
  EXPECT_HAS(refused("prior last --out nowhere/p.csv"), "--out nowhere/p.csv: there is no folder nowhere");
  EXPECT_HAS(refused("sample"), "expected a RUN");
  EXPECT_HAS(refused("data delete MNIST"), "action 'delete' is not known; one of: list fetch verify");
  EXPECT_HAS(refused("data fetch MNSIT"), "did you mean 'MNIST'?");
  EXPECT_HAS(refused("train --dataset MNIST --log yaml"), "yaml");
  EXPECT_HAS(refused("bench --filter '['"), "not a regular expression");
  EXPECT_HAS(refused("bench --filter nothing_such"), "no benchmark has such a name");
  EXPECT_HAS(refused("bench --filter mnist_is_step$ --set TRAINING.batch_sise=3"), "did you mean 'batch_size'?");
}

TEST_F(Usage, ConfigurationErrorsNameFileSectionAndKey) {
  write("f.ini", "[TRAINING]\nbach_size = 3\n");
  EXPECT_EQ(refused("train --dataset MNIST --config f.ini"),
            "kaem: f.ini:2: [TRAINING] unknown key 'bach_size'; did you mean 'batch_size'?\n");
  write("f.ini", "[TRAINING]\nbatch_size = 12abc\n");
  EXPECT_EQ(refused("train --dataset MNIST --config f.ini"),
            "kaem: f.ini:2: [TRAINING] batch_size = 12abc: expected an integer in 1..1000000\n");
  write("f.ini", "[GeneratorModel]\nwidths = 80,162\n");
  EXPECT_HAS(refused("train --dataset MNIST --config f.ini"),
             "f.ini:2: [GeneratorModel] widths = 80,162: the first width must equal Q = 81");
  EXPECT_HAS(refused("train --dataset MNIST --config none.ini"), "none.ini: the configuration file cannot be read");
  EXPECT_HAS(refused("train --dataset MNIST --set TRAINING.bach_size=3"),
             "--set TRAINING.bach_size=3: [TRAINING] unknown key 'bach_size'");
  EXPECT_HAS(refused("train --dataset MNIST --set batch_size=3"), "expected SECTION.key=value");
  EXPECT_HAS(refused("train --dataset MNIST --seed x"), "--seed x: expected an integer of at least 0");
  EXPECT_HAS(refused("train --dataset MNIST --threads 2.5"), "--threads 2.5: expected an integer");
  EXPECT_HAS(refused("train --dataset MNIST --resize 16"), "--resize 16: expected HxW");
  EXPECT_HAS(refused("train --dataset MNSIT"), "--dataset MNSIT: no such data set; did you mean 'MNIST'?");
  EXPECT_HAS(refused("train --dataset nothing_such"), "data set is not known; one of: MNIST");
  EXPECT_HAS(refused("train --dataset FOLDER", 3), "FOLDER: there is no folder data (--data-dir names it)");
  EXPECT_HAS(refused("info --threads x"), "--threads x: expected an integer in 0..4096");
}

TEST_F(Usage, HelpConfigPrintsEveryKey) {
  EXPECT_HAS(kaem("train --help-config").out, "batch_size");
  EXPECT_EQ(kaem("train --help-config=markdown").out, content_of("docs/configuration.md"));
  EXPECT_HAS(refused("train --help-config=html"), "expected text or markdown");
}

TEST_F(Usage, RunsThatAreNone) {
  for (const char* command : {"sample", "evaluate", "prior", "inspect"}) {
    refused(std::string(command) + " last");
    refused(std::string(command) + " nowhere");
  }
  refused("train --resume nowhere");
  EXPECT_HAS(refused("train --resume --config f.ini"), "leave out --config");
  EXPECT_HAS(refused("sample last --out x.jpg"), ".png or .npy");
  EXPECT_HAS(refused("sample last -n 0"), "-n 0: expected an integer in 1..");
}

TEST_F(Usage, ErrorsAreJsonWhereMessagesAre) {
  for (const char* command :
       {"train --resume nowhere --log json", "train --log=json --set TRAINING.foo=1 --dataset DARCY_FLOW",
        "sample --log json --latent z.npy"}) {
    const Outcome outcome = kaem(command);
    EXPECT_EQ(outcome.status, 2) << command;
    EXPECT_EQ(outcome.err.rfind("{\"time\":\"", 0), 0U) << outcome.err;
    EXPECT_HAS(outcome.err, "\"level\":\"error\",\"message\":\"");
    EXPECT_TRUE(outcome.err.ends_with("\"}\n")) << outcome.err;
  }
}

TEST_F(Usage, DataThatAreMissing) {
  const std::string line = refused("train --dataset MNIST --offline --data-dir absent", 3);
  EXPECT_HAS(line, "absent");
  refused("data verify MNIST --data-dir absent", 3);
  EXPECT_HAS(refused("data fetch MNIST --offline"), "--offline");
  EXPECT_FALSE(std::filesystem::exists(folder / "runs")) << "a run that cannot start leaves no folder";
}

TEST_F(Usage, DevicesThatAreMissing) {
  if (kaem("info").out.find("no usable CUDA device") == std::string::npos) GTEST_SKIP() << "there is a CUDA device";
  EXPECT_HAS(refused("train --dataset DARCY_FLOW --device cuda"), "cuda");
  EXPECT_HAS(refused("train --dataset DARCY_FLOW --device cuda:1"), "cuda");
  EXPECT_HAS(refused("train --dataset DARCY_FLOW --device rocm"), "expected auto, cpu, cuda or cuda:N");
  EXPECT_FALSE(std::filesystem::exists(folder / "runs"));
}

TEST_F(Usage, ListsAndInfo) {
  const Outcome list = kaem("data list --data-dir absent");
  EXPECT_EQ(list.status, 0);
  for (const char* name : {"MNIST", "FMNIST", "DARCY_FLOW", "DARCY_PERM"}) EXPECT_HAS(list.out, name);
  const Outcome info = kaem("info --threads 2 --memory");
  EXPECT_EQ(info.status, 0);
  for (const char* part : {"LibTorch", "kernels", "threads       2", "DARCY_FLOW", "memory: peak"})
    EXPECT_HAS(info.out, part);
  EXPECT_HAS(kaem("info --resize 3x3").err, "--resize has no effect on info");
}

}  // namespace
}  // namespace kaem
