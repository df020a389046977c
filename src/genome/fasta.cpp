#include "mpira/genome/fasta.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <htslib/bgzf.h>
#include <htslib/faidx.h>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"

#include "genome/letters.hpp"
#include "genome/lines.hpp"
#include "genome/quiet_htslib.hpp"

namespace mpira::genome {
namespace {

namespace fs = std::filesystem;

/// A private folder, removed with what is in it.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (fs::temp_directory_path() / "mpira-fasta-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) fail_errno("creating a folder for the FASTA index in", name);
        path_ = name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TemporaryFolder(TemporaryFolder const&) = delete;
    TemporaryFolder& operator=(TemporaryFolder const&) = delete;
    [[nodiscard]] fs::path const& path() const noexcept { return path_; }

private:
    fs::path path_;
};

/// A file that htslib fills by its name. Removed unless it was published.
class IndexDraft {
public:
    explicit IndexDraft(fs::path target) : target_(std::move(target)), draft_(open_draft(target_)) {}
    ~IndexDraft() {
        std::error_code ignored;
        fs::remove(draft_.path, ignored);
        ::close(draft_.descriptor);
    }
    IndexDraft(IndexDraft const&) = delete;
    IndexDraft& operator=(IndexDraft const&) = delete;
    [[nodiscard]] fs::path const& path() const noexcept { return draft_.path; }

    /// Gives it its name; who may read the sequences may read their index, as other programs need it too.
    [[nodiscard]] bool publish_as_readable_as(fs::path const& sequences) const {
        struct stat info {};
        std::error_code error;
        if (::stat(sequences.c_str(), &info) != 0 || ::fchmod(draft_.descriptor, info.st_mode & 0644U) != 0)
            return false;
        fs::rename(draft_.path, target_, error);
        return !error;
    }

private:
    fs::path target_;
    OpenDraft draft_;
};

enum class Packing { none, gzip, bgzip };

Packing packing_of(fs::path const& file) {
    if (fs::is_directory(file)) fail_usage(fmt::format("{}: is a folder, not a FASTA file", file.string()));
    QuietHtslib const quiet;
    BGZF* const opened = bgzf_open(file.c_str(), "r");
    if (opened == nullptr) fail_usage(fmt::format("{}: {}", file.string(), std::strerror(errno)));
    int const kind = bgzf_compression(opened);
    bgzf_close(opened);
    return kind == 0 ? Packing::none : kind == 2 ? Packing::bgzip : Packing::gzip;
}

/// htslib counts printable bytes only: others would shift every base after them, or leave lines of 0 bases.
void refuse_unprintable(Lines const& lines, std::string_view bases) {
    auto const is_printable = [](char letter) { return letter > ' ' && letter <= '~'; };
    auto const at = std::find_if_not(bases.begin(), bases.end(), is_printable);
    if (at == bases.end()) return;
    lines.refuse(fmt::format("byte 0x{:02x} among the bases; only IUPAC nucleotide codes are known",
                             static_cast<unsigned char>(*at)));
}

/// What the index can't express, told by line. Only read when an index is made.
void check_layout(fs::path const& file) {
    Lines lines(file);
    std::unordered_map<std::string, std::int64_t> seen;
    bool in_sequence = false;
    std::size_t width = 0;  // bases of this sequence's lines, 0 before its first one
    bool ended = false;     // a shorter line came: it must be the last
    std::string name;
    while (lines.next()) {
        auto const line = lines.line();
        if (line.starts_with('>')) {
            auto const header = line.substr(1);
            name = std::string(header.substr(0, header.find_first_of(" \t")));
            if (name.empty()) lines.refuse("a sequence without a name; write one right after '>'");
            auto const [at, is_new] = seen.emplace(name, lines.number());
            if (!is_new) {
                lines.refuse(fmt::format("sequence '{}' is already on line {}; names must be unique", name,
                                         at->second));
            }
            in_sequence = true;
            width = 0;
            ended = false;
            continue;
        }
        if (line.starts_with('@') && !in_sequence) lines.refuse("this is FASTQ, FASTA was expected");
        if (text::trim(line).empty()) {
            ended = ended || in_sequence;
            continue;
        }
        if (!in_sequence) lines.refuse("bases before the first '>' header; is this a FASTA file?");
        refuse_unprintable(lines, text::trim(line));
        if (ended || (width != 0 && line.size() > width)) {
            lines.refuse(
                fmt::format("lines of sequence '{}' have different lengths, so it can't be indexed; "
                            "rewrite it with `seqkit seq -w 60` or `fold`",
                            name));
        }
        if (width == 0) width = line.size();
        ended = line.size() < width;
    }
    if (!in_sequence) fail_usage(fmt::format("{}: holds no sequence", file.string()));
}

bool is_current(fs::path const& index, fs::path const& file) {
    std::error_code error;
    auto const indexed = fs::last_write_time(index, error);
    if (error) return false;
    auto const written = fs::last_write_time(file, error);
    return !error && indexed >= written;
}

fs::path with_suffix(fs::path const& file, std::string_view suffix) {
    fs::path longer = file;
    longer += suffix;
    return longer;
}

struct CloseFaidx {
    void operator()(faidx_t* index) const noexcept { fai_destroy(index); }
};
struct FreeText {
    void operator()(char* text) const noexcept { std::free(text); }  // htslib mallocs
};

}  // namespace

struct Fasta::State {
    fs::path file;
    std::unique_ptr<TemporaryFolder> temporary;  // outlives index, which may have its files there
    std::unique_ptr<faidx_t, CloseFaidx> index;
    std::vector<std::string> names;
    std::vector<std::int64_t> lengths;
    std::unordered_map<std::string, std::size_t> by_name;
    std::uint64_t ambiguous = 0;

    void open();
    void load(fs::path const& fai, fs::path const& gzi);
    void read_lengths(fs::path const& fai);
    /// Builds fai and gzi under private names in `folder`; false when that folder can't be written.
    [[nodiscard]] bool build(fs::path const& folder, fs::path const& fai, fs::path const& gzi, bool packed);
};

bool Fasta::State::build(fs::path const& folder, fs::path const& fai, fs::path const& gzi, bool packed) {
    if (access(folder.empty() ? "." : folder.c_str(), W_OK) != 0) return false;
    try {
        IndexDraft const new_fai(fai);  // aside, so that nobody reads half of it
        std::optional<IndexDraft> new_gzi;
        if (packed) new_gzi.emplace(gzi);
        int const code =
            fai_build3(file.c_str(), new_fai.path().c_str(), packed ? new_gzi->path().c_str() : nullptr);
        return code == 0 && (!packed || new_gzi->publish_as_readable_as(file)) &&
               new_fai.publish_as_readable_as(file);
    } catch (Error const&) {  // a folder that says it takes files, but does not
        return false;
    }
}

void Fasta::State::load(fs::path const& fai, fs::path const& gzi) {
    index.reset(fai_load3(file.c_str(), fai.c_str(), gzi.c_str(), 0));
}

/// From the index itself: htslib 1.16 gives lengths as int, and some plants' chromosomes are longer.
void Fasta::State::read_lengths(fs::path const& fai) {
    Lines lines(fai);
    while (lines.next()) {
        auto const fields = text::split(lines.line(), '\t');
        // name, bases, offset of the first one, bases and bytes of a line; htslib divides by what stands here
        auto const number = [&](std::size_t field) {
            return fields.size() < 5 ? -1 : text::to_integer(fields[field]).value_or(-1);
        };
        auto const length = number(1);
        bool const is_sane = length >= 0 && number(2) >= 0 && number(4) >= number(3) &&
                             (length == 0 ? number(3) >= 0 : number(3) > 0);
        if (!is_sane) lines.refuse("is not a line of a .fai index; remove the file, it is made anew");
        names.emplace_back(fields[0]);
        lengths.push_back(length);
        by_name.emplace(names.back(), names.size() - 1);
    }
}

void Fasta::State::open() {
    Packing const packing = packing_of(file);
    if (packing == Packing::gzip) {
        fail_usage(
            fmt::format("{0}: is compressed by gzip, which can't be read from the middle; rewrite it: "
                        "gunzip -c {0} | bgzip > new.fa.gz",
                        file.string()));
    }
    bool const packed = packing == Packing::bgzip;
    QuietHtslib const quiet;
    fs::path fai = with_suffix(file, ".fai");
    fs::path gzi = with_suffix(file, ".gzi");
    if (is_current(fai, file) && (!packed || is_current(gzi, file))) load(fai, gzi);
    if (index == nullptr) {
        check_layout(file);
        if (!build(file.parent_path(), fai, gzi, packed)) {
            temporary = std::make_unique<TemporaryFolder>();
            fai = temporary->path() / fai.filename();
            gzi = temporary->path() / gzi.filename();
            if (!build(temporary->path(), fai, gzi, packed)) {
                fail_usage(
                    fmt::format("{}: htslib can't index it (`samtools faidx` shows why)", file.string()));
            }
            log::debug("{}: its folder can't be written, so the index is in {} for this run", file.string(),
                       temporary->path().string());
        }
        load(fai, gzi);
    }
    if (index == nullptr) {
        fail_usage(fmt::format("{}: its index {} can't be read; remove it, it is made anew", file.string(),
                               fai.string()));
    }
    read_lengths(fai);
    if (names.empty()) fail_usage(fmt::format("{}: holds no sequence", file.string()));
}

Fasta::Fasta(std::filesystem::path const& file) : state_(std::make_unique<State>()) {
    state_->file = file;
    state_->open();
}

Fasta::~Fasta() = default;
Fasta::Fasta(Fasta&&) noexcept = default;
Fasta& Fasta::operator=(Fasta&&) noexcept = default;

std::filesystem::path const& Fasta::file() const noexcept {
    return state_->file;
}
std::span<std::string const> Fasta::names() const noexcept {
    return state_->names;
}
std::span<std::int64_t const> Fasta::lengths() const noexcept {
    return state_->lengths;
}
std::uint64_t Fasta::ambiguous_letters() const noexcept {
    return state_->ambiguous;
}

std::optional<std::size_t> Fasta::find(std::string_view name) const {
    auto const at = state_->by_name.find(std::string(name));
    return at == state_->by_name.end() ? std::nullopt : std::optional(at->second);
}

std::string Fasta::fetch(std::string_view name, std::int64_t start, std::int64_t end) {
    auto const index = find(name);
    if (!index) {
        fail_usage(fmt::format("{}: has no sequence '{}'{}", state_->file.string(), name,
                               text::chromosome_hint(name, state_->names)));
    }
    return fetch(*index, start, end);
}

std::string Fasta::fetch(std::size_t index, std::int64_t start, std::int64_t end) {
    ensure(index < names().size(), "Fasta::fetch: no sequence of that index");
    auto const& name = state_->names[index];
    std::int64_t const length = state_->lengths[index];
    if (start < 0 || end < start || end > length) {
        fail_usage(fmt::format("{}: {}:{}-{} is not inside the sequence, which has {} bp",
                               state_->file.string(), name, start, end, length));
    }
    if (start == end) return {};
    hts_pos_t got = 0;
    QuietHtslib const quiet;
    std::unique_ptr<char, FreeText> const raw(
        faidx_fetch_seq64(state_->index.get(), name.c_str(), start, end - 1, &got));
    if (raw == nullptr || got != end - start) {
        fail_usage(
            fmt::format("{}: {}:{}-{} can't be read ({} bp came); is the file complete, and its .fai "
                        "of this very file?",
                        state_->file.string(), name, start, end, got));
    }
    std::string bases(raw.get(), static_cast<std::size_t>(got));
    for (std::size_t i = 0; i < bases.size(); ++i) {
        char const letter = kLetters[static_cast<unsigned char>(bases[i])];
        if (letter == 0) {
            fail_usage(
                fmt::format("{}: sequence '{}' has the letter '{}' at position {}; only IUPAC "
                            "nucleotide codes are known",
                            state_->file.string(), name, bases[i], start + static_cast<std::int64_t>(i) + 1));
        }
        if (letter == 'n') ++state_->ambiguous;
        bases[i] = letter == 'n' ? 'N' : letter;
    }
    return bases;
}

}  // namespace mpira::genome
