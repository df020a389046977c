#include "mpira/genome/fragments.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <htslib/hts.h>
#include <htslib/kstring.h>
#include <htslib/tbx.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "genome/quiet_htslib.hpp"

namespace mpira::genome {
namespace {

namespace fs = std::filesystem;

struct CloseFile {
    void operator()(htsFile* file) const { hts_close(file); }
};
struct CloseIndex {
    void operator()(tbx_t* index) const { tbx_destroy(index); }
};
struct CloseIterator {
    void operator()(hts_itr_t* iterator) const { hts_itr_destroy(iterator); }
};

/// A line that htslib writes into.
struct Line {
    kstring_t text = KS_INITIALIZE;
    Line() = default;
    Line(Line const&) = delete;
    Line& operator=(Line const&) = delete;
    ~Line() { ks_free(&text); }
    [[nodiscard]] std::string_view view() const { return {text.s, text.l}; }
};

fs::path index_of(fs::path const& file) {
    for (char const* ending : {".tbi", ".csi"}) {
        auto index = file;
        index += ending;
        if (fs::exists(index)) return index;
    }
    fail_usage(fmt::format("{}: there is no index beside it; make one: tabix -p bed {}", file.string(),
                           file.string()));
}

}  // namespace

struct FragmentFile::State {
    fs::path file;
    fs::path index_file;
    std::unique_ptr<htsFile, CloseFile> opened;
    std::unique_ptr<tbx_t, CloseIndex> index;
    std::vector<std::string> chroms;
    Line line;

    [[noreturn]] void refuse(std::string_view what) const {
        fail_usage(fmt::format("{}: {}", file.string(), what));
    }
    [[nodiscard]] Fragment parse() const {
        auto rest = line.view();
        std::string_view fields[4];
        std::size_t count = 0;
        for (bool more = true; more && count < 4; ++count) {
            auto const tab = rest.find('\t');
            fields[count] = rest.substr(0, tab);
            more = tab != std::string_view::npos;
            if (more) rest.remove_prefix(tab + 1);
        }
        auto const start = count > 2 ? text::to_integer(fields[1]) : std::nullopt;
        auto const end = count > 2 ? text::to_integer(fields[2]) : std::nullopt;
        if (!start || !end || *start < 0 || *start >= *end)
            refuse(fmt::format(
                "'{}' is no fragment: expected chromosome, start, end (integers, start < end) and barcode, "
                "separated by tabs",
                line.view().substr(0, 80)));
        return {*start, *end, fields[3]};
    }
};

FragmentFile::FragmentFile(fs::path const& file) : state_(std::make_unique<State>()) {
    QuietHtslib const quiet;
    state_->file = file;
    if (!fs::is_regular_file(file))
        state_->refuse(fs::exists(file) ? "this is no file" : std::strerror(ENOENT));
    state_->opened.reset(hts_open(file.c_str(), "r"));
    if (!state_->opened) state_->refuse(std::strerror(errno));
    if (hts_get_format(state_->opened.get())->compression != bgzf)
        state_->refuse(
            fmt::format("not compressed by bgzip, so that no part of it can be looked up; "
                        "make it so: gunzip -c {} | bgzip > sorted.tsv.gz",
                        file.string()));
    if (hts_check_EOF(state_->opened.get()) == 0)
        state_->refuse("its end is missing: a download that broke off?");
    state_->index_file = index_of(file);
    state_->index.reset(tbx_index_load2(file.c_str(), state_->index_file.c_str()));
    if (!state_->index)
        state_->refuse(fmt::format("its index {} can't be read; make it anew: tabix -f -p bed {}",
                                   state_->index_file.string(), file.string()));
    int count = 0;
    char const** const names = tbx_seqnames(state_->index.get(), &count);
    for (int i = 0; i < count; ++i) state_->chroms.emplace_back(names[i]);
    std::free(names);  // NOLINT(bugprone-multi-level-implicit-pointer-conversion): as htslib asks
}
FragmentFile::FragmentFile(FragmentFile&&) noexcept = default;
FragmentFile& FragmentFile::operator=(FragmentFile&&) noexcept = default;
FragmentFile::~FragmentFile() = default;

fs::path const& FragmentFile::file() const noexcept {
    return state_->file;
}
std::vector<std::string> const& FragmentFile::chroms() const noexcept {
    return state_->chroms;
}

void FragmentFile::read(std::string_view chrom, std::int64_t start, std::int64_t end,
                        std::function<void(Fragment const&)> const& each) {
    QuietHtslib const quiet;
    auto& state = *state_;
    if (start >= end || std::ranges::find(state.chroms, chrom) == state.chroms.end()) return;
    int const number = tbx_name2id(state.index.get(), std::string(chrom).c_str());
    std::unique_ptr<hts_itr_t, CloseIterator> const lines(
        tbx_itr_queryi(state.index.get(), number, start, end));
    if (!lines) state.refuse(fmt::format("its index can't find {}", chrom));
    int code = 0;
    while ((code = tbx_itr_next(state.opened.get(), state.index.get(), lines.get(), &state.line.text)) >= 0)
        each(state.parse());
    if (code < -1)
        state.refuse(fmt::format("damaged, or not the file that {} was made for: reading {}:{}-{} failed",
                                 state.index_file.string(), chrom, start, end));
}

std::string FragmentFile::content_hash() const {
    ContentHash hash;
    hash.add(fmt::format("{}", fs::file_size(state_->file))).add(hash_file(state_->index_file));
    return hash.hex();
}

}  // namespace mpira::genome
