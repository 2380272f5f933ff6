"""Sentences and what the model makes of them: the model's samples."""
# ruff: noqa: E501, RUF001  # Chinese characters are as wide as two, and have punctuation of their own

# Sentence -> words with their tags, as WORD/TAG separated by one space.
TAGGED = {
    "百度是一家高科技公司": "百度/ORG 是/v 一家/m 高科技/n 公司/n",
    "LAC是一个优秀的分词工具": "LAC/nz 是/v 一个/m 优秀/a 的/u 分词/n 工具/n",
    "今天天气真好，我们去北京大学看望李明教授。": "今天/TIME 天气/n 真好/a ，/w 我们/r 去/v 北京大学/ORG "
    "看望/v 李明教授/PER 。/w",
    "中华人民共和国成立于1949年10月1日。": "中华人民共和国/LOC 成立/v 于/p 1949年10月1日/TIME 。/w",
    "请把空调调到26度，然后打开卧室的窗户。": "请/v 把/p 空调/n 调到/v 26度/m ，/w 然后/c 打开/v 卧室/n "
    "的/u 窗户/n 。/w",
    "这家餐馆的麻婆豆腐又辣又香，价格也不贵。": "这家/r 餐馆/n 的/u 麻婆豆腐/nz 又/d 辣/a 又/d 香/a "
    "，/w 价格/n 也/d 不贵/a 。/w",
    # Digits of full width, traditional characters.
    "乔布斯在２００７年發布了第一代iPhone。": "乔布斯/PER 在/p ２００７年/TIME 發布/v 了/u 第一代/m "
    "iPhone/nz 。/w",
    "小明说他明天不来上课了。": "小明/PER 说/v 他/r 明天/TIME 不/d 来/v 上课/v 了/u 。/w",
    "深圳市腾讯计算机系统有限公司发布了第三季度财报": "深圳市腾讯计算机系统有限公司/ORG 发布/v 了/u 第三/m "
    "季度/n 财报/n",
    "南京市长江大桥": "南京市/LOC 长江大桥/LOC",
    "鲁迅的《故乡》写于1921年1月。": "鲁迅/PER 的/u 《/w 故乡/nw 》/w 写于/v 1921年/TIME 1月/TIME 。/w",
    "好": "好/a",
    "明年春天，中国女排将前往东京参加奥运会资格赛。": "明年/TIME 春天/TIME ，/w 中国女排/ORG 将/d 前往/v "
    "东京/LOC 参加/v 奥运会/nz 资格赛/n 。/w",
}
