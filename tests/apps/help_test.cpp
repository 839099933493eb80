// Help, completion and the manual page, which are made of the same declarations.
#include <algorithm>
#include <sstream>

#include "apps/support.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

class Help : public Program {
 protected:
  /// What bash offers for the last of these words.
  std::string offered(const std::string& words) const {
    const std::string script =
        str("source <('", program(), "' completion bash); COMP_WORDS=(", words,
            "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _kaem 2>/dev/null; echo \"${COMPREPLY[@]}\"");
    write("complete.sh", script);
    EXPECT_EQ(std::system(("cd " + folder.string() + " && bash complete.sh >offered.txt 2>&1").c_str()), 0);
    return content_of(folder / "offered.txt");
  }
};

TEST_F(Help, LinesFitAHundredColumnsButForCommands) {
  for (const char* command : {"train", "evaluate", "export", "jobs", ""}) {
    std::istringstream lines(kaem(str(command, " --help")).out);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("  kaem ")) continue;  // an example, to be copied as it is
      const auto columns = std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
      EXPECT_LE(columns, 100) << line;
    }
  }
}

TEST_F(Help, ListsOptionsThatHaveAnEffect) {
  const std::string prior = kaem("prior --help").out;
  EXPECT_HAS(prior, "--threads");
  EXPECT_EQ(prior.find("--seed"), std::string::npos) << prior;
  EXPECT_HAS(kaem("sample --help").out, "--seed");
  EXPECT_HAS(kaem("help sample").out, "--seed");
}

TEST_F(Help, ExplainsAKey) {
  const Outcome key = kaem("help TRAINING.batch_size");
  EXPECT_EQ(key.status, 0) << key.err;
  for (const char* part : {"[TRAINING] batch_size", "default  100", "--set TRAINING.batch_size=100"})
    EXPECT_HAS(key.out, part);
  EXPECT_EQ(kaem("help batch_size").out, key.out);
  const std::string darcy = kaem("help TRAINING.batch_size --dataset DARCY_FLOW").out;
  for (const char* part : {"default  100", "DARCY_FLOW  50  (", "darcy_flow_config.ini)"}) EXPECT_HAS(darcy, part);
  EXPECT_HAS(kaem("help TRAINING.mode --dataset MNIST --mode thermo").out, "MNIST  thermo");
  const std::string several = kaem("help grid_size").out;
  EXPECT_HAS(several, "[EbmModel] grid_size");
  EXPECT_HAS(several, "[GeneratorModel] grid_size");
  EXPECT_HAS(kaem("help POST_LANGEVIN.ula_eta").out, "--set POST_LANGEVIN.ula_eta=0.001");
  EXPECT_HAS(kaem("help ula_η").out, "[POST_LANGEVIN] ula_η");
  EXPECT_HAS(kaem("help [TRAINING]").out, "TRAINING.batch_size\n");
  EXPECT_HAS(kaem("help lr_schedule").out, "LR_SCHEDULE.decay\n");
  EXPECT_HAS(kaem("help likelihood").out, "--set GeneratorModel.likelihood=gaussian\n");
  EXPECT_EQ(kaem("help keep_best").out.find("example"), std::string::npos) << "its default is none";
  EXPECT_HAS(refused("help batch_sise"), "did you mean 'batch_size'?");
  EXPECT_HAS(refused("help TRAINING.batch_sise"), "did you mean 'TRAINING.batch_size'?");
}

TEST_F(Help, BashCompletes) {
  EXPECT_EQ(offered("kaem trav"), "traverse\n");
  EXPECT_EQ(offered("kaem train --data"), "--dataset --data-dir\n");
  EXPECT_EQ(offered("kaem train --dataset FM"), "FMNIST\n");
  EXPECT_EQ(offered("kaem train --mode th"), "thermo\n");
  EXPECT_EQ(offered("kaem train --set TRAINING.batch"), "TRAINING.batch_size=\n");
  EXPECT_EQ(offered("kaem sample la"), "last\n");
  EXPECT_EQ(offered("kaem help trav"), "traverse\n");
  EXPECT_EQ(offered("kaem help chain_st"), "chain_start\n");
  EXPECT_EQ(offered("kaem completion z"), "zsh\n");
  EXPECT_EQ(offered("kaem evaluate last --metrics logl"), "loglik\n");
  EXPECT_EQ(offered("kaem evaluate last --metrics fid,logl"), "fid,loglik\n");
  EXPECT_EQ(offered("kaem export last --to tor"), "torchscript\n");
}

TEST_F(Help, ShellsAndManReadWhatIsPrinted) {
  const std::string out = folder.string();
  ASSERT_EQ(kaem("completion man").status, 0);
  std::filesystem::copy(folder / "out.txt", folder / "kaem.1");
  const std::string page = content_of(folder / "kaem.1");
  for (const char* part : {".TH KAEM 1", ".SH train", "\\fB\\-\\-dataset\\fR", "KAEM_DATA_DIR"}) EXPECT_HAS(page, part);
  if (std::system("command -v groff >/dev/null") == 0) {
    EXPECT_EQ(std::system(("groff -man -Tutf8 -ww " + out + "/kaem.1 >/dev/null 2>" + out + "/warnings.txt").c_str()),
              0);
    EXPECT_EQ(content_of(folder / "warnings.txt"), "");
  }
  ASSERT_EQ(kaem("completion zsh").status, 0);
  EXPECT_EQ(content_of(folder / "out.txt").rfind("#compdef kaem\n", 0), 0U);
  if (std::system("command -v zsh >/dev/null") == 0) {
    EXPECT_EQ(std::system(("zsh -n " + out + "/out.txt").c_str()), 0);
  }
  EXPECT_HAS(refused("completion fish"), "expected bash, zsh or man");
}

}  // namespace
}  // namespace kaem
