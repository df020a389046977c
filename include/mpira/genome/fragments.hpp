#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mpira::genome {

/// A sequenced fragment of open chromatin: bases [start, end), 0-based; both ends are cut sites of Tn5.
struct Fragment {
    std::int64_t start = 0;
    std::int64_t end = 0;
    std::string_view barcode{};  ///< of its cell; "" where the file has none. Lives as long as the call.
    char strand = '.';           ///< of a 5' end: '+' or '-'
    std::int64_t reads = 1;      ///< that begin there; of a fragment 1
};

/// What a file is read for.
enum class Ends : std::uint8_t {
    fragments,  ///< of open chromatin
    /// The bases that transcripts begin at (CAGE): each read's first base, and its strand.
    five_prime
};

/// Which pairs of reads in a BAM are fragments.
struct AlignmentRules {
    Ends ends = Ends::fragments;
    int min_mapq = 30;                    ///< of the read, and of its mate where the tag MQ says it
    std::int64_t max_fragment_bp = 2000;  ///< longer ones are left out
    std::string barcode_tag = "CB";
};

/// Fragments, in one of two forms:
///   - a fragments file as Cell Ranger ATAC, ArchR and others write it: tab-separated chromosome, start, end
///     and, if there are cells, barcode and the number of reads (not looked at: a line is one fragment);
///     bgzipped, with its index beside it (FILE.tbi or FILE.csi). Its ends are cut sites already.
///   - a BAM, sorted and with its index (FILE.bai, FILE.csi or the .bai of the same stem). A fragment is a
///     proper pair of primary reads that pass the rules and are marked neither as duplicates nor as failed;
///     its ends are moved to where Tn5 cut, +4 and -5 (spec/systems.md row 12). SAM and CRAM are refused with
///     the command that makes a BAM, and a BAM that begins with a read that is not paired; later ones tell no
///     fragment.
///
/// Read for 5' ends (Ends::five_prime), each a fragment of one base with its strand:
///   - a table of transcription start sites (CTSS, as FANTOM5's): chromosome, start, end = start + 1, name,
///     number of reads, strand; bgzipped, with its index.
///   - a BAM: primary reads that pass min_mapq and are not marked as failed; of pairs the first one. Marks of
///     duplicates are not heeded: reads of one start do begin at one base.
///
/// Owner, move-only. Errors: Origin::usage naming the file, and the line's place in the genome, for a file or
/// index that is missing (with the command that makes one), foreign or damaged; fewer than three fields,
/// positions that are no integers, negative or reversed; of a table of start sites besides one that is longer
/// than a base, without a strand, or of a number of reads that is none. Threads: one at a time.
class FragmentFile {
public:
    /// The form is told by the content. `rules` are for BAMs.
    explicit FragmentFile(std::filesystem::path const& file, AlignmentRules const& rules = {});
    FragmentFile(FragmentFile&&) noexcept;
    FragmentFile& operator=(FragmentFile&&) noexcept;
    ~FragmentFile();

    [[nodiscard]] std::filesystem::path const& file() const noexcept;
    /// Whether it is a BAM.
    [[nodiscard]] bool is_alignments() const noexcept;
    /// Chromosomes that have fragments.
    [[nodiscard]] std::vector<std::string> const& chroms() const noexcept;
    /// Calls `each` with every fragment that shares a base with [start, end) of `chrom`, in the file's order;
    /// with none where the file has no such chromosome.
    void read(std::string_view chrom, std::int64_t start, std::int64_t end,
              std::function<void(Fragment const&)> const& each);
    /// Names the content, by the checksums of the file's blocks: one pass over it that uncompresses nothing.
    [[nodiscard]] std::string content_hash() const;

    class Source;  ///< one form

private:
    std::unique_ptr<Source> source_;
};

}  // namespace mpira::genome
