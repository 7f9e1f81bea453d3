// SPDX-License-Identifier: LGPL-2.1-or-later
#include "codec/zstd_block.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/bytes.h"
#include "base/cleanup.h"

struct seed_zstd {
	ZSTD_CCtx *compressor;
	ZSTD_DCtx *decompressor;
};

static int zstd_failed(size_t code, enum seed_error_kind kind, struct seed_error *err)
{
	if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
		return seed_error_sys(err, ENOMEM, "zstd");
	return seed_error_set(err, kind, "zstd: %s", ZSTD_getErrorName(code));
}

int seed_zstd_new(struct seed_zstd **out, int level, struct seed_error *err)
{
	SEED_AUTO(seed_zstd_freep) struct seed_zstd *zstd = calloc(1, sizeof(*zstd));
	size_t rc;

	if (zstd) {
		zstd->compressor = ZSTD_createCCtx();
		zstd->decompressor = ZSTD_createDCtx();
	}
	if (!zstd || !zstd->compressor || !zstd->decompressor)
		return seed_error_sys(err, ENOMEM, "zstd contexts");
	if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel())	/* zstd would clamp it */
		return seed_error_set(err, SEED_ERR_USAGE, "no compression level %d (%d to %d)",
				      level, ZSTD_minCLevel(), ZSTD_maxCLevel());
	rc = ZSTD_CCtx_setParameter(zstd->compressor, ZSTD_c_compressionLevel, level);
	if (!ZSTD_isError(rc))
		rc = ZSTD_CCtx_setParameter(zstd->compressor, ZSTD_c_contentSizeFlag, 1);
	if (!ZSTD_isError(rc))
		rc = ZSTD_CCtx_setParameter(zstd->compressor, ZSTD_c_checksumFlag, 0);
	if (ZSTD_isError(rc))
		return zstd_failed(rc, SEED_ERR_USAGE, err);
	*out = seed_steal(&zstd);
	return 0;
}

void seed_zstd_free(struct seed_zstd *zstd)
{
	if (!zstd)
		return;
	ZSTD_freeCCtx(zstd->compressor);
	ZSTD_freeDCtx(zstd->decompressor);
	free(zstd);
}

int seed_zstd_compress(struct seed_zstd *zstd, void *out, size_t room, size_t *out_len,
		       bool *packed, const void *data, size_t len, struct seed_error *err)
{
	size_t rc;

	assert(room >= len);
	rc = ZSTD_compress2(zstd->compressor, out, room, data, len);
	if (ZSTD_isError(rc) && ZSTD_getErrorCode(rc) != ZSTD_error_dstSize_tooSmall)
		return zstd_failed(rc, SEED_ERR_RANGE, err);
	*packed = !ZSTD_isError(rc) && rc < len;
	*out_len = *packed ? rc : len;
	return 0;
}

/* One frame of the current format, alone, that declares @out_len: looked at before
 * anything is decoded. Skippable and legacy frames have other magic numbers. */
static int check_frame(const void *data, size_t len, size_t out_len, struct seed_error *err)
{
	unsigned long long declared;
	size_t whole;

	if (len < 4 || seed_get32(data) != ZSTD_MAGICNUMBER)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "not a zstd frame");
	declared = ZSTD_getFrameContentSize(data, len);
	if (declared == ZSTD_CONTENTSIZE_ERROR || declared == ZSTD_CONTENTSIZE_UNKNOWN)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "zstd frame without a size");
	if (declared != out_len)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "zstd frame of %llu bytes where %zu belong", declared,
				      out_len);
	whole = ZSTD_findFrameCompressedSize(data, len);
	if (ZSTD_isError(whole))
		return zstd_failed(whole, SEED_ERR_INTEGRITY, err);
	if (whole != len)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%zu bytes follow a zstd frame",
				      len - whole);
	return 0;
}

int seed_zstd_decompress(struct seed_zstd *zstd, void *out, size_t out_len, const void *data,
			 size_t len, struct seed_error *err)
{
	size_t rc;

	if (check_frame(data, len, out_len, err) < 0)
		return -1;
	rc = ZSTD_decompressDCtx(zstd->decompressor, out, out_len, data, len);
	if (ZSTD_isError(rc))
		return zstd_failed(rc, SEED_ERR_INTEGRITY, err);
	if (rc != out_len)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "zstd frame gives %zu of %zu bytes",
				      rc, out_len);
	return 0;
}
