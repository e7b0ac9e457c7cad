"""Every sentence of the page, in English and Simplified Chinese."""

import re

import gradio as gr

Texts = dict[str, str]

_CANVAS: dict[str, tuple[str, str]] = {
    "locale": ("en", "zh-CN"),
    # tools
    "tools": ("Tools", "工具"),
    "open": ("Open", "打开"),
    "open_hint": ("Open a photo; it can also be dropped or pasted", "打开照片，也可以拖放或粘贴"),
    "draw_with": ("Draw with", "绘制方式"),
    "brush": ("Brush", "画笔"),
    "brush_hint": ("Paint over what should go (B); the right mouse button erases", "涂抹要去除的部分（B），鼠标右键擦除"),
    "eraser": ("Eraser", "橡皮"),
    "eraser_hint": ("Take paint away (E, or X to switch)", "擦掉涂抹（E，按 X 切换）"),
    "rectangle": ("Box", "矩形"),
    "rectangle_hint": ("Drag a box (R)", "拖出矩形（R）"),
    "lasso": ("Lasso", "套索"),
    "lasso_hint": ("Draw around something (L)", "圈出一个区域（L）"),
    "polygon": ("Polygon", "多边形"),
    "polygon_hint": (
        "Click corner after corner; double-click or Enter closes, Esc gives up (P)",
        "逐个点击顶点，双击或回车闭合，Esc 放弃（P）",
    ),
    "object": ("Object", "对象"),
    "object_hint": (
        "Click an object or drag a box around it; Shift adds, Alt or the right button takes away (O)",
        "点击对象或拖框选中；按住 Shift 添加，Alt 或右键排除（O）",
    ),
    "restore": ("Restore", "还原"),
    "restore_hint": ("Paint the original photo back", "把原图涂回来"),
    "hand": ("Move", "移动"),
    "hand_hint": ("Move the photo (H, or hold the space bar)", "移动照片（H，或按住空格）"),
    "size": ("Size", "大小"),
    "size_hint": ("Size of the brush ( [ and ] )", "画笔大小（[ 和 ]）"),
    "strokes": ("Strokes", "笔画"),
    "undo_hint": ("Undo (Ctrl+Z)", "撤销（Ctrl+Z）"),
    "redo_hint": ("Redo (Ctrl+Shift+Z)", "重做（Ctrl+Shift+Z）"),
    "clear_hint": ("Clear the mask", "清除遮罩"),
    "mask": ("Mask", "遮罩"),
    "mask_hint": ("Upload, download and change the mask", "上传、下载和修改遮罩"),
    "upload_mask": ("Upload a mask", "上传遮罩"),
    "mask_is": ("What is filled", "填充哪部分"),
    "mask_is_auto": ("tell by itself", "自动判断"),
    "mask_is_white": ("white", "白色"),
    "mask_is_black": ("black", "黑色"),
    "mask_is_alpha": ("what is painted", "涂抹部分"),
    "mask_is_transparent": ("what is transparent", "透明部分"),
    "save_mask": ("Download the mask", "下载遮罩"),
    "by_pixels": ("By pixels", "像素"),
    "grow": ("Grow", "扩大"),
    "shrink": ("Shrink", "缩小"),
    "smooth": ("Smooth", "平滑"),
    "fill_holes": ("Close gaps inside", "填满内部空隙"),
    "invert": ("Invert", "反选"),
    "colour": ("Colour", "颜色"),
    "zoom": ("Zoom", "缩放"),
    "zoom_in": ("Zoom in (+)", "放大（+）"),
    "zoom_out": ("Zoom out (-)", "缩小（-）"),
    "fit": ("Show all (0)", "显示全部（0）"),
    "canvas_label": (
        "Photo and mask. Arrow keys move the brush, Enter paints, Control Enter fills.",
        "照片和遮罩。方向键移动画笔，回车涂抹，Ctrl 加回车填充。",
    ),
    "drop": ("Drop a photo here, paste it, or click to choose one", "把照片拖到这里、粘贴，或点击选择"),
    "drop_more": (
        "JPEG, PNG, WebP, TIFF, AVIF, HEIC. It stays on this server and is removed after some hours without use.",
        "支持 JPEG、PNG、WebP、TIFF、AVIF、HEIC。照片只保存在本服务器上，闲置几小时后删除。",
    ),
    # actions
    "fill": ("Fill", "填充"),
    "fill_hint": ("Fill what is painted (Ctrl+Enter)", "填充涂抹的部分（Ctrl+回车）"),
    "fills": ("Fills", "填充步骤"),
    "undo_fill": ("Undo fill", "撤销填充"),
    "undo_fill_hint": ("Go back one step; the mask comes back, too", "后退一步，遮罩也会恢复"),
    "redo_fill": ("Redo fill", "重做填充"),
    "compare": ("Compare", "对比"),
    "compare_hint": ("Original on the left, result on the right; hold C to see the original", "左边原图，右边结果；按住 C 看原图"),
    "divider": ("Where original and result meet", "原图与结果的分界"),
    "before": ("Original", "原图"),
    "after": ("Result", "结果"),
    "last_mask": ("Last mask", "上次遮罩"),
    "last_mask_hint": ("Paint the mask of the last fill again", "再次使用上次填充的遮罩"),
    "again": ("Try again", "再试一次"),
    "again_hint": ("Fill the same place once more, with another seed", "换一个随机种子，重新填充同一处"),
    "download": ("Download", "下载"),
    "download_hint": ("At full size, in the format of the photo", "原尺寸、原格式"),
    "as_png": ("as PNG", "存为 PNG"),
    "as_png_hint": ("At full size, without any loss", "原尺寸，无损"),
    "download_step": ("Download {name}", "下载 {name}"),
    "cancel": ("Cancel", "取消"),
    # history and report
    "history": ("History", "历史"),
    "alternatives": ("Pick one", "选一个"),
    "step_open": ("Original", "原图"),
    "step_fill": ("Fill {number}", "填充 {number}"),
    "step_restore": ("Restored {number}", "还原 {number}"),
    "seam": ("seam {seam}", "接缝 {seam}"),
    "about_fill": ("About this fill", "关于这次填充"),
    "hole_size": ("Hole", "区域"),
    "engine": ("Engine", "引擎"),
    "hole_depth": ("Depth", "深度"),
    "reach": ("Network sees", "网络视野"),
    "seam_head": ("Seam (1 = invisible)", "接缝（1 为不可见）"),
    "reason": ("Why", "原因"),
    "no_reason": ("as asked for, or by the size of the hole", "按所选引擎，或按区域大小"),
    "proof": ("{changed} of {kept} kept pixels changed.", "保留的 {kept} 个像素中改变了 {changed} 个。"),
    "settings": ("Model {model}, seed {seed}, widened by {dilate} px.", "模型 {model}，种子 {seed}，扩大 {dilate} 像素。"),
    "times": ("Time: {stages}.", "用时：{stages}。"),
    "trust": ("Trust map", "可信度图"),
    "trust_depth": ("Trust: depth", "可信度：深度"),
    "trust_depth_hint": (
        "How deep each place lies in the hole, against how far the network sees",
        "各处在空洞中的深度与网络视野之比",
    ),
    "trust_disagreement": ("Trust: disagreement", "可信度：分歧"),
    "trust_disagreement_hint": ("Where the alternatives differ; needs two or more", "各备选结果不同之处，需要两个以上"),
    "legend": ("sure to guessed", "从可靠到猜测"),
    "trust_said_depth": (
        "The deepest place lies at {largest} times what the network sees; {share} % of the hole is beyond its sight.",
        "最深处为网络视野的 {largest} 倍；{share}% 的区域超出视野。",
    ),
    "trust_said_disagreement": (
        "The largest disagreement is {largest} (1 = another picture); {share} % of the hole is at or above that.",
        "最大分歧为 {largest}（1 表示完全不同）；{share}% 的区域达到或超过 1。",
    ),
    # sentences
    "opened": ("{name}: {width} x {height} pixels.", "{name}：{width} x {height} 像素。"),
    "filled": (
        "{filled} pixels filled by {engines} in {seconds} s; {changed} of {kept} kept pixels changed.",
        "{engines} 用 {seconds} 秒填充了 {filled} 个像素；保留的 {kept} 个像素中改变了 {changed} 个。",
    ),
    "restored": ("{pixels} pixels of the original are back.", "已还原 {pixels} 个原图像素。"),
    "marked": ("{pixels} pixels marked.", "已标记 {pixels} 个像素。"),
    "found_text": ("Text found: {pixels} pixels marked. Press Fill to remove it.", "找到文字：已标记 {pixels} 个像素，按填充去除。"),
    "found_scratches": ("Scratches found: {pixels} pixels marked.", "找到划痕：已标记 {pixels} 个像素。"),
    "found_object": ("Object marked: {pixels} pixels.", "已标记对象：{pixels} 个像素。"),
    "preparing": ("Preparing the file...", "正在准备文件……"),
    "saved": ("{name} is being downloaded.", "正在下载 {name}。"),
    "cancelling": ("Stopping...", "正在停止……"),
    "failed": ("The server did not take the job. Try again in a moment.", "服务器未接受任务，请稍后再试。"),
    "stage_waiting": ("Waiting for a turn", "排队中"),
    "stage_upload": ("Uploading and reading", "正在上传和读取"),
    "stage_windows": ("Looking at the hole", "分析区域"),
    "stage_structure": ("Structure", "结构"),
    "stage_detail": ("Detail", "细节"),
    "stage_blend": ("Blending", "融合"),
    "stage_telea": ("Telea", "Telea"),
    "stage_ns": ("Navier-Stokes", "Navier-Stokes"),
    "stage_total": ("in all", "总计"),
    "stage_done": ("Finishing", "收尾"),
    "stage_text": ("Looking for text", "正在查找文字"),
    "stage_scratches": ("Looking for scratches", "正在查找划痕"),
    "stage_object": ("Finding the outline", "正在查找轮廓"),
    "error_no_photo": ("Open a photo first.", "请先打开一张照片。"),
    "error_empty": ("Paint over what should go first.", "请先涂抹要去除的部分。"),
    "error_cancelled": ("Cancelled; nothing was changed.", "已取消，没有任何改动。"),
    "error_gone": ("This photo is no longer on the server. Open it again.", "照片已不在服务器上，请重新打开。"),
    "error_busy": ("Still working on this photo; wait or cancel first.", "正在处理这张照片，请等待或先取消。"),
    "error_offline": ("The server does not answer.", "服务器没有响应。"),
    "error_upload": (
        "The file could not be uploaded; it may be larger than this server accepts.",
        "文件无法上传，可能超过服务器允许的大小。",
    ),
    "error_no-text": ("No text was found. Raise the sensitivity, or paint it.", "没有找到文字。请提高灵敏度，或手动涂抹。"),
    "error_no-scratches": ("No scratches were found. Raise the sensitivity, or paint them.", "没有找到划痕。请提高灵敏度，或手动涂抹。"),
    "error_no-object": ("No object was found there. Click elsewhere, or drag a box.", "那里没有找到对象。请点击别处，或拖框选择。"),
}

_PAGE: dict[str, tuple[str, str]] = {
    "title": ("Inpaint", "图像修复"),
    "lead": (
        "Paint over what should go, press **Fill**. Not one pixel outside the mask changes.",
        "涂抹要去除的部分，按**填充**。遮罩之外的像素一个也不会改变。",
    ),
    "tab_photo": ("Photo", "照片"),
    "tab_folder": ("Folder", "文件夹"),
    "step_photos": ("### 1. Photos", "### 1. 照片"),
    "from_upload": ("Upload", "上传"),
    "from_server": ("On this server", "服务器上的文件夹"),
    "photos": ("Photos", "照片"),
    "folder": ("Folder", "文件夹"),
    "deep": ("With its sub-folders", "包括子文件夹"),
    "page": ("Page", "页"),
    "browse": ("Click a photo to work on it alone", "点击一张照片可单独处理"),
    "step_masks": ("### 2. Masks", "### 2. 遮罩"),
    "mask_rule": ("By a rule", "按规则"),
    "mask_one": ("One for all", "共用一个"),
    "mask_names": ("By their names", "按文件名"),
    "rule": ("Rule", "规则"),
    "rule_info": (
        "text, scratches, repeated (what all photos share, such as a watermark), alpha (their own transparency), region:...; joined by +",
        "text 文字，scratches 划痕，repeated 所有照片共有之处（如水印），alpha 照片自身的透明部分，region:... 区域；可用 + 组合",
    ),
    "mask_file": ("Mask: white is filled", "遮罩：白色部分将被填充"),
    "mask_files": ("Masks: white is filled", "遮罩：白色部分将被填充"),
    "names_info": (
        "`lake.jpg` takes `lake.png` or `lake_mask.png`. Without an upload here, masks named like `lake_mask.png` are looked for among the photos.",
        "`lake.jpg` 对应 `lake.png` 或 `lake_mask.png`。如果不在此上传，则在照片中查找 `lake_mask.png` 这样命名的遮罩。",
    ),
    "step_how": ("### 3. How to fill", "### 3. 填充方式"),
    "lossless": ("Write JPEG photos as PNG, so that no kept pixel moves", "将 JPEG 照片存为 PNG，保留的像素丝毫不变"),
    "show_plan": ("Show the plan", "显示计划"),
    "run_plan": ("Run the plan", "执行计划"),
    "stop": ("Stop", "停止"),
    "results": ("Results", "结果"),
    "download_all": ("Download all (ZIP)", "全部下载（ZIP）"),
    "plan_said": ("Photos to fill: {count}. Nothing has been done yet.", "将填充 {count} 张照片。尚未执行。"),
    "plan_empty": ("No photo can be filled.", "没有可以填充的照片。"),
    "plan_more": ("... and {count} more.", "……另有 {count} 张。"),
    "plan_refused": ("Refused", "无法处理"),
    "plan_unmasked": ("Photos without a mask", "没有遮罩的照片"),
    "plan_unused": ("Masks without a photo", "没有对应照片的遮罩"),
    "plan_left_out": ("Left out", "已忽略"),
    "col_photo": ("Photo", "照片"),
    "col_size": ("Size", "尺寸"),
    "col_mask": ("Mask", "遮罩"),
    "col_output": ("Result", "结果"),
    "cannot_be_read": ("cannot be read", "无法读取"),
    "why_one": ("one for all", "共用"),
    "why_path": ("same name", "同名"),
    "why_stem": ("same name", "同名"),
    "why_suffix": ("its name says so", "按名称后缀"),
    "why_folder": ("folder named like the photo", "与照片同名的文件夹"),
    "why_elsewhere": ("same name in another folder", "其他文件夹中同名"),
    "why_alpha": ("its own transparency", "自身透明部分"),
    "why_rule": ("rule {rule}", "规则 {rule}"),
    "united": ("united", "合并"),
    "run_said": ("{finished} of {total} photos, {failed} failed.", "已完成 {finished} / {total} 张，失败 {failed} 张。"),
    "run_left": ("About {left} left.", "约剩 {left}。"),
    "run_waits": ("Waits until others' photos leave enough memory...", "等待他人的照片腾出足够的内存……"),
    "run_stopping": ("Stopping after the photos in hand...", "完成手头的照片后停止……"),
    "result_said": ("{done} of {total} photos filled in {seconds}.", "{total} 张照片中已填充 {done} 张，用时 {seconds}。"),
    "result_left": ("Stopped: {left} were not begun.", "已停止：{left} 张未开始。"),
    "result_exact": (
        "Written without loss and read again: {files}. Kept pixels that changed: {changed}.",
        "无损写入并重新读取核对：{files} 个文件。保留的像素中改变了 {changed} 个。",
    ),
    "result_lossy": (
        "In the photo's own lossy format and read again: {files}. Coding moved kept pixels by {mean} of 255 levels on average, by {worst} at most.",
        "按照片自身的有损格式写入并重新读取核对：{files} 个文件。编码使保留的像素平均变化 {mean} 级，最多 {worst} 级（共 255 级）。",
    ),
    "result_failed": ("Not filled", "未填充"),
    "model_about": ("{paper}; {count} parameters.", "{paper}；{count} 个参数。"),
    "field_said": (
        "Receptive field, layer by layer: a pixel sees {field} x {field} pixels.",
        "逐层感受野：一个像素能看到 {field} x {field} 像素。",
    ),
    "field_global": ("Parts of it that see everything: {count}.", "另有 {count} 个部分能看到全图。"),
    "field_growth": ("Receptive field, layer by layer", "逐层感受野"),
    "field_looks": ("Where it really looks", "实际关注之处"),
    "field_looks_said": (
        "Measured with the weights in use: how much each pixel of a {size} x {size} photo moves the middle of a {hole} px hole (logarithmic). 95 % of it lies within {field} px.",
        "按所用权重测得：{size} x {size} 照片中每个像素对 {hole} 像素空洞中心的影响（对数）。其中 95% 在 {field} 像素以内。",
    ),
    "no_card": ("Weights: `{name}`; there is no card beside them.", "权重：`{name}`；旁边没有说明文件。"),
    "tab_models": ("Models", "模型"),
    "find": ("Find it for me", "自动查找"),
    "find_text": ("Find text", "查找文字"),
    "find_scratches": ("Find scratches", "查找划痕"),
    "sensitivity": ("Sensitivity", "灵敏度"),
    "region": ("Region", "区域"),
    "region_info": ("for instance bottom-right 18%x6%", "例如 bottom-right 18%x6%"),
    "mark_region": ("Mark region", "标记区域"),
    "shadow": ("Object: take its shadow, too", "对象：连同阴影"),
    "margin": ("Margin of what is found (pixels)", "查找结果的边距（像素）"),
    "how": ("How to fill", "填充方式"),
    "engine": ("Engine", "引擎"),
    "engine_info": (
        "auto chooses per hole; network draws structure, detail adds texture of the photo, patch copies only",
        "auto 自动选择；network 生成结构，detail 加上照片自身纹理，patch 只复制",
    ),
    "model": ("Model", "模型"),
    "dilate": ("Widen the hole (pixels)", "扩大区域（像素）"),
    "seed": ("Seed", "随机种子"),
    "candidates": ("Alternatives to pick from", "备选结果数"),
    "keys": ("Keys", "快捷键"),
    "keys_text": (
        "`B` brush, `E` eraser, `X` switch, `R` box, `L` lasso, `P` polygon, `O` object, `H` or space: move, "
        "`[` `]` size, `Ctrl+Z` undo, `Ctrl+Shift+Z` redo, `Ctrl+Enter` fill, `C` (hold) original, "
        "`+` `-` `0` zoom, `Esc` cancel. Two fingers zoom and move.",
        "`B` 画笔，`E` 橡皮，`X` 切换，`R` 矩形，`L` 套索，`P` 多边形，`O` 对象，`H` 或空格移动，`[` `]` 大小，"
        "`Ctrl+Z` 撤销，`Ctrl+Shift+Z` 重做，`Ctrl+Enter` 填充，按住 `C` 看原图，`+` `-` `0` 缩放，`Esc` 取消。双指缩放和移动。",
    ),
}


def _one(table: dict[str, tuple[str, str]], which: int) -> Texts:
    return {key: both[which] for key, both in table.items()}


CANVAS_TEXTS: dict[str, Texts] = {"en": _one(_CANVAS, 0), "zh-CN": _one(_CANVAS, 1)}
PAGE_TEXTS: dict[str, Texts] = {"en": _one(_PAGE, 0), "zh-CN": _one(_PAGE, 1)}


def language_of(header: str) -> str:
    """The language of a browser by its `Accept-Language`, as `chooseTexts` in canvas_texts.js: its first that we have."""
    for part in header.split(","):
        name = part.split(";")[0].strip().lower()
        if re.match(r"zh\b(?!-(tw|hk|mo|hant))", name):
            return "zh-CN"
        if re.match(r"en\b", name):
            return "en"
    return "en"


def page_texts() -> gr.I18n:
    """The texts that Gradio's own components show, chosen by the browser."""
    chinese = PAGE_TEXTS["zh-CN"]
    return gr.I18n(en=PAGE_TEXTS["en"], zh=chinese, **{"zh-CN": chinese, "zh-Hans": chinese, "zh-SG": chinese})
