"""Your cloud code: the server loads this file, or the one that CLOUD_CODE_MAIN names, at start.

Define functions of your own below:

    from cloud.code import cloud

    @cloud.define("hello")
    def hello(request):
        return "Hello from Cloud Code"
"""

import cloud.functions  # noqa: F401 - defines nsfwImageClassify
